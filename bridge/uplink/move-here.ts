import type { NameClaim } from '#bridge/driver/attached-bus.js';
import type { DriverError } from '#bridge/driver/driver-error.js';
import type { Connection } from '#bridge/registry/connection.js';
import { RequestNameFlag, RequestNameReply } from '#bridge/registry/name-queue.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Hold } from './hold.js';
import type { BusReply, BusLink } from './bus-link.js';
import {
  DRAIN_MAX_MS,
  Migration,
  partyHere,
  partyText,
  type Party,
  type Turn,
} from './migration.js';
import type { Uplink } from './uplink.js';

/** A connection here that is to own the name. */
interface Candidate {
  readonly connection: Connection;
  readonly uplink: Uplink;
  /** of RequestName */
  readonly flags: number;
  readonly claim: NameClaim;
}

/**
 * A name moves from the other bus to this one. The client that requests it gets the reply that it owns it, and must
 * answer a ping; then it replaces the owner on the other bus, through its uplink, and is given the name here once
 * everything that was sent to the old owner has been passed on.
 */
export class MoveHere extends Migration {
  private old: Party = { owner: '', pid: undefined };
  private candidate: Candidate | undefined;
  private hold: Hold | undefined;
  private answers = false;
  private startsHere = false;

  start(): void {
    const { attachment, name } = this;
    const ownerHere = attachment.driver.registry.owner(name);
    if (ownerHere !== undefined && !attachment.ghosts.isGhost(ownerHere)) {
      return this.fail(`${partyText(partyHere(ownerHere))} on the bridge owns it already`);
    }
    this.ownerThere((party) => {
      if (this.isOver) return;
      if (party.owner === '')
        return this.fail('it has no owner on the other bus: export it, and start it on the bridge');
      this.old = party;
      this.request.report('waiting', party);
      this.startService();
    });
  }

  offer(connection: Connection, flags: number, claim: NameClaim): boolean {
    const { attachment, name, old } = this;
    if (old.owner === '') return false;
    const uplink = attachment.uplinks.of(connection.number);
    if (uplink === undefined || this.candidate !== undefined) {
      claim.refuse(attachment.exports.clash(name, connection, partyText(old)));
      return true;
    }
    const { confinement } = uplink.access;
    if (confinement !== undefined && !uplink.reaches(name)) return false;
    const candidate = { connection, uplink, flags, claim };
    this.candidate = candidate;
    this.request.report('candidate', partyHere(connection));
    uplink.arriving.add(name);
    uplink.whenReady((link, failure) => {
      if (link === undefined) this.fail(failure?.text ?? 'the other bus cannot be reached');
      else this.standInLine(candidate, link);
    });
    return true;
  }

  turn(farOwner: string): Turn | undefined {
    const { candidate } = this;
    if (candidate === undefined || farOwner !== candidate.uplink.farText) {
      if (!this.isTurning && farOwner !== '') this.partyOf(farOwner, (party) => (this.old = party));
      return undefined;
    }
    if (this.isTurning) return undefined;
    this.turned(partyHere(candidate.connection));
    return {
      settle: (met) => this.settle(candidate, met),
      apply: () => this.apply(candidate),
    };
  }

  connectionGone(connection: Connection): void {
    if (this.isTurning) return;
    if (connection === this.request.requester)
      this.fail('the client that requested the move has disconnected');
    else if (connection === this.candidate?.connection) this.fail('the new owner has disconnected');
  }

  protected missing(limit: string): string {
    if (this.candidate === undefined) return `no program has requested it on the bridge ${limit}`;
    if (!this.answers) {
      return `${partyText(partyHere(this.candidate.connection))} has not answered ${limit}`;
    }
    return `${partyText(this.old)} does not allow replacement, and has not released it ${limit}`;
  }

  protected undo(error: DriverError): void {
    const { hold } = this;
    /* messages to an owner that has just left would be lost: first wait until the other bus has noticed */
    if (hold !== undefined) this.ownerThere(() => hold.sendOn());
    const { candidate } = this;
    if (candidate !== undefined) this.withdraw(candidate, error);
    /* otherwise another attempt would wait for a program that will not ask again */
    const { errorName, message } = error;
    if (this.startsHere) this.attachment.host.activator.abandon(this.name, { errorName, message });
  }

  private withdraw({ uplink, claim }: Candidate, error: DriverError): void {
    uplink.claims.delete(this.name);
    if (uplink.link?.isReady === true) uplink.link.call('ReleaseName', 's', [this.name], () => {});
    uplink.inbound.arrived(this.name);
    claim.refuse(error);
    this.attachment.host.settle();
  }

  /** Starts the service if it has a .service file here. */
  private startService(): void {
    const { activator } = this.attachment.host;
    if (this.isOver || !this.request.startsService || !activator.isActivatable(this.name)) return;
    this.startsHere = true;
    activator.request(this.name, {
      waiter: undefined,
      deliver: () => {},
      fail: ({ message }) => {
        if (this.candidate === undefined) this.fail(message);
      },
      drop: () => {},
    });
    this.attachment.host.settle();
  }

  /** Queues the candidate on the other bus: whatever happens to the owner, the candidate is next. */
  private standInLine(candidate: Candidate, link: BusLink): void {
    if (this.isOver) return;
    const { uplink, flags, claim } = candidate;
    uplink.claims.set(this.name, flags);
    link.call('RequestName', 'su', [this.name, 0], (reply) => {
      if (this.isOver || this.failedBy(reply)) return;
      claim.promise();
      this.attachment.host.settle();
      this.attachment.pinger.ping(uplink.farText, this.request.timeoutMs, (answers) => {
        if (this.isOver || this.isTurning) return;
        this.answers = answers;
        if (answers) this.whenReady(() => this.replace(candidate, link));
        else this.fail('the new owner has disconnected, or has not answered');
      });
    });
  }

  private replace({ flags }: Candidate, link: BusLink): void {
    const wanted = (flags & RequestNameFlag.AllowReplacement) | RequestNameFlag.ReplaceExisting;
    this.drainOld(() => {
      if (this.isOver || this.isTurning) return;
      link.call('RequestName', 'su', [this.name, wanted], (reply) => {
        if (this.isOver || this.isTurning || this.failedBy(reply)) return;
        if (reply?.body[0] === RequestNameReply.InQueue) this.queued();
      });
    });
  }

  /**
   * An owner that is replaced, or ended, may end at once, with messages that it has not processed. So clients of
   * the bridge wait until it has processed what they sent. Clients of the other bus are beyond our reach.
   */
  private drainOld(drained: () => void): void {
    const { attachment, old, name } = this;
    this.hold = attachment.holds.begin(name);
    attachment.uplinks.whenPassedOn(() =>
      attachment.pinger.ping(old.owner, DRAIN_MAX_MS, () => drained()),
    );
  }

  /**
   * The old owner keeps the name until it releases it. Held messages are sent on, unless the requester ends it now.
   */
  private queued(): void {
    const { hold, request } = this;
    if (!request.endsOld) {
      this.hold = undefined;
      hold?.sendOn();
    }
    request.report('queued', this.old);
  }

  private failedBy(reply: BusReply): boolean {
    if (reply?.type === MessageType.MethodReturn) return false;
    this.fail(reply === undefined ? 'the new owner has disconnected' : String(reply.body[0]));
    return true;
  }

  /**
   * Clients of the bridge wait; what they sent before has arrived on the other bus, or has come back on the
   * candidate's uplink; and the old owner has processed what it got.
   */
  private settle({ uplink }: Candidate, met: () => void): void {
    const { attachment, old, name } = this;
    this.hold ??= attachment.holds.begin(name);
    attachment.uplinks.whenPassedOn(() =>
      uplink.whenPassedOn(() => attachment.pinger.ping(old.owner, DRAIN_MAX_MS, () => met())),
    );
  }

  private apply(candidate: Candidate): void {
    const { attachment, hold, name } = this;
    const { connection, uplink, flags, claim } = candidate;
    if (this.isOver || hold === undefined) return;
    if (!connection.live) return this.fail('the new owner has disconnected');
    const held = hold.count;
    const before = attachment.driver.registry.owner(name);
    if (before !== undefined) attachment.ghosts.of(before)?.letReplace(name);
    claim.grant(flags | RequestNameFlag.ReplaceExisting);
    uplink.inbound.passOwn();
    hold.deliver(connection);
    uplink.inbound.arrived(this.name);
    uplink.link?.call('RequestName', 'su', [name, flags], () => {});
    this.hold = undefined;
    attachment.pinger.ping(uplink.farText, DRAIN_MAX_MS, () => {
      if (this.isOver) return;
      /* an owner that was replaced gets the name back if it was queued for it */
      if (!connection.live) return this.fail('the new owner disconnected at once');
      this.keepPatterns(() => this.succeed({ from: this.old, to: partyHere(connection), held }));
    });
  }

  /** From now on the name is exported. */
  private keepPatterns(done: () => void): void {
    const { attachment, name } = this;
    attachment.defer(() => {
      const { imports, exports } = attachment;
      const exported = exports.patterns.matches(name)
        ? exports.patterns
        : exports.patterns.with(name);
      attachment.setPatterns(imports.patterns.without(name), exported, done);
    });
  }
}

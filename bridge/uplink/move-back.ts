import type { Connection } from '#bridge/registry/connection.js';
import { RequestNameFlag } from '#bridge/registry/name-queue.js';
import { MessageType } from '#bridge/wire/types.js';
import { namesIn, type BusLink } from './bus-link.js';
import {
  DRAIN_MAX_MS,
  Migration,
  partyHere,
  partyText,
  type Party,
  type Turn,
} from './migration.js';
import type { Uplink } from './uplink.js';

/** No bus sends a signal when a connection joins the queue for a name: that has to be polled. */
const QUEUE_POLL_MS = 50;

/**
 * A name moves back to the other bus. Its owner here allows replacement there; a client that requests the name
 * there is given it once it has answered a ping, even if it did not ask to replace. The name changes hands here
 * once the other bus has reported its new owner.
 */
export class MoveBack extends Migration {
  private owner: Connection | undefined;
  private uplink: Uplink | undefined;
  private candidate: Party | undefined;
  private answers = false;
  private wasImported = true;

  start(): void {
    const { attachment, name } = this;
    const { registry } = attachment.driver;
    const owner = registry.owner(name);
    if (owner === undefined) return this.fail('it has no owner on the bridge');
    const uplink = attachment.uplinks.find(owner);
    if (uplink === undefined || !uplink.claims.has(name)) {
      return this.fail(
        `${partyText(partyHere(owner))} does not own it on both buses: export it first`,
      );
    }
    this.owner = owner;
    this.uplink = uplink;
    this.ownerThere((party) => {
      if (this.isOver) return;
      if (party.owner !== uplink.farText)
        return this.fail(`it is owned by ${partyText(party)} on the other bus already`);
      this.importName(() => this.open());
    });
  }

  offer(): boolean {
    return false;
  }

  turn(farOwner: string): Turn | undefined {
    const { attachment, owner, uplink } = this;
    if (this.isTurning || owner === undefined || uplink === undefined) return undefined;
    if (farOwner === '' || attachment.uplinks.isOurs(farOwner)) return undefined;
    const known = this.candidate?.owner === farOwner ? this.candidate : undefined;
    const candidate = known ?? { owner: farOwner, pid: undefined };
    if (known === undefined) this.answers = false;
    this.candidate = candidate;
    this.turned(candidate);
    return {
      settle: (met) => this.settle(farOwner, uplink, met),
      apply: () => this.apply(owner, uplink),
    };
  }

  connectionGone(connection: Connection): void {
    if (this.isTurning) return;
    if (connection === this.request.requester)
      this.fail('the client that requested the move has disconnected');
    else if (connection === this.owner) this.fail('its owner on the bridge has disconnected');
  }

  protected missing(limit: string): string {
    if (this.candidate === undefined)
      return `no program has requested it on the other bus ${limit}`;
    return `${partyText(this.candidate)} has not become its owner ${limit}`;
  }

  protected undo(): void {
    const { attachment, name, uplink } = this;
    const flags = uplink?.claims.get(name);
    if (uplink?.link?.isReady === true && flags !== undefined) {
      const wanted = flags | RequestNameFlag.ReplaceExisting;
      uplink.link.call('RequestName', 'su', [name, wanted], () => {});
    }
    if (this.wasImported || !attachment.isUp) return;
    attachment.defer(() => {
      const { imports, exports } = attachment;
      attachment.setPatterns(imports.patterns.without(name), exports.patterns, () => {});
    });
  }

  /** Imports the name, so that its signals are subscribed to before the new owner emits any. */
  private importName(done: () => void): void {
    const { attachment, name } = this;
    const { imports, exports } = attachment;
    this.wasImported = imports.patterns.matches(name);
    const patterns = this.wasImported ? imports.patterns : imports.patterns.with(name);
    attachment.setPatterns(patterns, exports.patterns, () => {
      if (!this.isOver) done();
    });
  }

  private open(): void {
    const link = this.uplink?.link;
    if (link?.isReady !== true || this.owner === undefined)
      return this.fail('its owner has disconnected');
    this.leaveQueue();
    if (this.request.releasesFirst || this.isStartedThere) return this.release(link, this.owner);
    link.call('RequestName', 'su', [this.name, RequestNameFlag.AllowReplacement], () => {
      if (this.isOver) return;
      this.request.report('waiting', partyHere(this.owner!));
      this.look(link);
    });
  }

  private get isStartedThere(): boolean {
    const { request, attachment, name } = this;
    return request.startsService && attachment.watcher?.activatable.includes(name) === true;
  }

  /**
   * Releases the name there before any other client requests it, because a program that does not queue would get
   * DBUS_REQUEST_NAME_REPLY_EXISTS, and exit. Its owner goes on serving clients of the bridge; calls from clients of
   * the other bus wait there meanwhile, if that bus can start the service.
   */
  private release(link: BusLink, owner: Connection): void {
    this.request.report('waiting', partyHere(owner));
    link.call('ReleaseName', 's', [this.name], () => {
      if (this.isOver || this.isTurning) return;
      this.request.report('released', partyHere(owner));
      if (!this.isStartedThere) return;
      this.attachment.ask('StartServiceByName', 'su', [this.name, 0], (reply) => {
        if (reply?.type === MessageType.Error && !this.isTurning) this.fail(String(reply.body[0]));
      });
    });
  }

  /** Takes other clients of the bridge out of the queue there, so that none of them is next. */
  private leaveQueue(): void {
    const { attachment, name, owner } = this;
    for (const each of attachment.driver.registry.names.queuedOwners(name)) {
      if (each !== owner) attachment.exports.release(each, name);
    }
  }

  /** Finds a connection that is queued for the name on the other bus. */
  private look(link: BusLink): void {
    const { attachment, name } = this;
    if (this.isOver || this.isTurning) return;
    attachment.ask('ListQueuedOwners', 's', [name], (reply) => {
      if (this.isOver || this.isTurning) return;
      const next = namesIn(reply).find((each) => !attachment.uplinks.isOurs(each));
      if (next !== undefined) return this.partyOf(next, (party) => this.probe(party, link));
      attachment.host.at(performance.now() + QUEUE_POLL_MS, () => this.look(link));
    });
  }

  private probe(party: Party, link: BusLink): void {
    if (this.isOver || this.isTurning) return;
    this.candidate = party;
    this.request.report('candidate', party);
    this.attachment.pinger.ping(party.owner, this.request.timeoutMs, (answers) => {
      if (this.isOver || this.isTurning) return;
      if (!answers) return this.fail('the new owner has disconnected, or has not answered');
      this.answers = true;
      this.whenReady(() => {
        link.call('ReleaseName', 's', [this.name], () => {});
        /* queues for the name again, in case the new owner dies at once */
        link.call('RequestName', 'su', [this.name, 0], () => {});
      });
    });
  }

  /** Calls back when the new owner was pinged, and the old one has got everything that was sent to it. */
  private settle(farOwner: string, uplink: Uplink, met: () => void): void {
    const passOn = (): void => uplink.whenPassedOn(() => uplink.inbound.whenPassed(met));
    if (this.answers) return passOn();
    this.attachment.pinger.ping(farOwner, this.request.timeoutMs, (answers) => {
      this.answers = answers;
      passOn();
    });
  }

  private apply(owner: Connection, uplink: Uplink): void {
    const { attachment, candidate, name } = this;
    const { driver, holds, host, pinger } = attachment;
    if (this.isOver || candidate === undefined) return;
    if (!this.answers)
      return this.fail(`${partyText(candidate)} has disconnected, or has not answered`);
    const hold = holds.begin(name);
    const oldName = uplink.farText;
    for (const each of driver.registry.names.queuedOwners(name).toReversed()) {
      if (!attachment.ghosts.isGhost(each)) driver.takeName(name, each);
    }
    host.settle();
    pinger.ping(oldName, DRAIN_MAX_MS, () => {
      const held = hold.count;
      hold.sendOn();
      this.finish(owner, candidate, held);
    });
  }

  /** From now on the name is imported. */
  private finish(owner: Connection, candidate: Party, held: number): void {
    const { attachment, name } = this;
    if (this.isOver) return;
    this.partyOf(candidate.owner, (to) => {
      const { imports, exports } = attachment;
      const done = (): void => this.succeed({ from: partyHere(owner), to, held });
      attachment.setPatterns(imports.patterns, exports.patterns.without(name), done);
    });
  }
}

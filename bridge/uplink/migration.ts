import { DriverError } from '#bridge/driver/driver-error.js';
import type { NameClaim } from '#bridge/driver/attached-bus.js';
import type { Connection } from '#bridge/registry/connection.js';
import { credentialsIn } from '#bridge/wire/connection-credentials.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Attachment } from './attachment.js';
import type { MigrationStep } from './migration-step.js';
import { processText } from './process-text.js';

/** The name stays where it was, or is back there. */
export const MIGRATION_FAILED = 'org.bus1.Error.MigrationFailed';

/** How long the previous owner may take to process what it was sent; then held messages go on. */
export const DRAIN_MAX_MS = 1000;

/**
 * How often the other bus is asked again for the owner of a name, while its answer names a connection that has just
 * left.
 */
const OWNER_TRIES_MAX = 20;

/** A service on either bus: its unique name there, and its process. */
export interface Party {
  readonly owner: string;
  readonly pid: number | undefined;
}

export interface MigrationResult {
  readonly name: string;
  readonly from: Party;
  readonly to: Party;
  /** messages of clients of the bridge that waited meanwhile */
  readonly held: number;
}

/** The client that wants a name moved, and the callbacks that tell it about the progress. */
export interface MigrationRequest {
  readonly name: string;
  readonly requester: Connection;
  readonly timeoutMs: number;
  /** the new owner is started from its .service file, where the name goes; otherwise the requester starts it */
  readonly startsService: boolean;
  /** the requester ends the old owner at the step `queued`, so no more messages are sent to that owner */
  readonly endsOld: boolean;
  /** on the way back: the owner's uplink releases the name there before another client requests it */
  readonly releasesFirst: boolean;
  /** the names that move together with this one */
  readonly together: Together | undefined;
  report(step: MigrationStep, party: Party): void;
  done(result: MigrationResult): void;
  failed(error: DriverError): void;
}

/** Names that belong together: none is taken from its owner before all of them have a new one that answers. */
export class Together {
  private readonly count: number;
  private readonly members = new Set<Migration>();
  private readonly ready: (() => void)[] = [];

  constructor(count: number) {
    this.count = count;
  }

  get isComplete(): boolean {
    return this.members.size === this.count;
  }

  add(migration: Migration): void {
    this.members.add(migration);
  }

  /** Calls back once the new owners of all the names have answered. */
  whenReady(go: () => void): void {
    this.ready.push(go);
    if (this.ready.length === this.count) for (const each of this.ready) each();
  }

  /** One of the names does not move: so neither do the others, unless they have moved already. */
  failed(migration: Migration, reason: string): void {
    this.members.delete(migration);
    for (const each of this.members)
      each.forsake(`${migration.name}, which moves together with it, was not moved: ${reason}`);
  }
}

/** A change of owner on the other bus, which `apply` repeats here once `settle` has called back. */
export interface Turn {
  settle(met: () => void): void;
  apply(): void;
}

/** One name on its way from one bus to the other, while both run. */
export abstract class Migration {
  readonly request: MigrationRequest;
  protected readonly attachment: Attachment;
  protected isOver = false;
  /** the name has changed hands on the other bus: from then on only messages under way are waited for */
  protected isTurning = false;
  private readonly cancelTimeout: () => void;

  constructor(attachment: Attachment, request: MigrationRequest) {
    this.attachment = attachment;
    this.request = request;
    const { host } = attachment;
    this.cancelTimeout = host.at(performance.now() + request.timeoutMs, () => this.timedOut());
  }

  get name(): string {
    return this.request.name;
  }

  abstract start(): void;

  /** A client here requests the name. False: the migration is not concerned. */
  abstract offer(connection: Connection, flags: number, claim: NameClaim): boolean;

  /** The name now belongs to `farOwner` on the other bus; '': to none. */
  abstract turn(farOwner: string): Turn | undefined;

  /** A client of the bridge has left. */
  abstract connectionGone(connection: Connection): void;

  /** What has not happened within the limit, for the error message. */
  protected abstract missing(limit: string): string;

  /** Puts everything back. */
  protected abstract undo(error: DriverError): void;

  abort(reason: string): void {
    this.fail(reason);
  }

  /** Another name that moves together with this one does not move. */
  forsake(reason: string): void {
    if (!this.isTurning) this.fail(reason);
  }

  /** The new owner answers: goes on when the new owners of all names that move together answer. */
  protected whenReady(go: () => void): void {
    const { together } = this.request;
    const goOn = (): void => {
      if (!this.isOver && !this.isTurning) go();
    };
    if (together === undefined) goOn();
    else together.whenReady(goOn);
  }

  protected turned(party: Party): void {
    this.isTurning = true;
    this.cancelTimeout();
    this.request.report('switched', party);
  }

  protected succeed(result: Omit<MigrationResult, 'name'>): void {
    this.end();
    this.request.done({ name: this.name, ...result });
  }

  /** Ends the migration, restores the previous state, and reports who owns the name then. */
  protected fail(reason: string): void {
    if (this.isOver) return;
    this.end();
    const { name, attachment } = this;
    this.undo(new DriverError(MIGRATION_FAILED, `${name} was not moved: ${reason}`));
    this.request.together?.failed(this, reason);
    this.ownerThere((party) => {
      const ownerHere = attachment.driver.registry.owner(name);
      const isHere = attachment.uplinks.isOurs(party.owner) && ownerHere !== undefined;
      const owner = isHere ? `${partyText(partyHere(ownerHere))} on the bridge` : partyText(party);
      const text = `${name} was not moved: ${reason}. It is owned by ${owner} now, on the bus at ${attachment.address}`;
      this.request.failed(new DriverError(MIGRATION_FAILED, text));
    });
  }

  /** Calls back with the owner on the other bus; its name is '' if there is none. */
  protected ownerThere(done: (party: Party) => void, triesLeft = OWNER_TRIES_MAX): void {
    this.attachment.ask('GetNameOwner', 's', [this.name], (reply) => {
      if (reply?.type !== MessageType.MethodReturn) return done({ owner: '', pid: undefined });
      this.partyOf(String(reply.body[0]), (party) => {
        if (triesLeft > 0 && this.isLeaving(party)) this.ownerThere(done, triesLeft - 1);
        else done(party);
      });
    });
  }

  /** Whether this connection is closed already, and owns the name only until the bus there notices. */
  private isLeaving({ owner, pid }: Party): boolean {
    return pid === undefined || (pid === process.pid && !this.attachment.uplinks.isOurs(owner));
  }

  protected partyOf(owner: string, done: (party: Party) => void): void {
    this.attachment.ask('GetConnectionCredentials', 's', [owner], (reply) => {
      done({ owner, pid: credentialsIn(reply)?.pid });
    });
  }

  private timedOut(): void {
    const seconds = this.request.timeoutMs / 1000;
    if (!this.isTurning) this.fail(this.missing(`within ${seconds} s`));
  }

  private end(): void {
    this.isOver = true;
    this.cancelTimeout();
    this.attachment.migrations.ended(this);
  }
}

/** Describes a service in messages to users. */
export function partyText({ owner, pid }: Party): string {
  return owner === '' ? 'nobody' : `${owner} (${processText(pid)})`;
}

export function partyHere({ uniqueName, credentials }: Connection): Party {
  return { owner: uniqueName, pid: credentials.pid };
}

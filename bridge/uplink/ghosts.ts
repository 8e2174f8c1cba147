import type { DescriptorSet } from '#core/index.js';
import { duplicate } from '#core/linux/index.js';
import { NO_CREDENTIALS, type Connection, type Credentials } from '#bridge/registry/connection.js';
import { credentialsIn, type ReportedCredentials } from '#bridge/wire/connection-credentials.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Attachment } from './attachment.js';
import { Ghost } from './ghost.js';
import type { BusReply } from './bus-link.js';

/** The connections of the other bus that have a ghost here. */
export class Ghosts {
  private readonly attachment: Attachment;
  private readonly byFarName = new Map<string, Ghost>();
  private readonly byConnection = new Map<Connection, Ghost>();
  private readonly awaited = new Map<string, (() => void)[]>();
  private lookedUp = new Set<() => void>();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  get size(): number {
    return this.byFarName.size;
  }

  all(): Ghost[] {
    return [...this.byFarName.values()];
  }

  /** Finds a ghost by its unique name on the other bus. */
  find(farName: string): Ghost | null {
    return this.byFarName.get(farName) ?? null;
  }

  /** Finds a ghost by its unique name on this bus. */
  byName(name: string): Ghost | undefined {
    const connection = this.attachment.driver.registry.connections.get(name);
    return connection === undefined ? undefined : this.byConnection.get(connection);
  }

  of(connection: Connection): Ghost | undefined {
    return this.byConnection.get(connection);
  }

  isGhost(connection: Connection): boolean {
    return this.byConnection.has(connection);
  }

  /** Whether this connection has a ghost, or will have one once its credentials are known. */
  isKnown(farName: string): boolean {
    return this.byFarName.has(farName) || this.awaited.has(farName);
  }

  /**
   * Calls back when there is a ghost for `farName`, even if that connection has left in the meantime: its messages
   * are still to be delivered. Does not call back when the other bus goes away.
   */
  adopt(farName: string, done: () => void): void {
    if (this.byFarName.has(farName)) return done();
    const awaiting = this.awaited.get(farName);
    if (awaiting !== undefined) return void awaiting.push(done);
    this.awaited.set(farName, [done]);
    this.attachment.ask('GetConnectionCredentials', 's', [farName], (reply, descriptors) => {
      if (reply !== undefined) this.appear(farName, reply, descriptors);
    });
  }

  /**
   * Calls back when there is a ghost for `farName`, when no connection of the other bus has this name, or when that
   * bus has gone.
   */
  lookUp(farName: string, done: () => void): void {
    this.lookedUp.add(done);
    const once = (): void => {
      if (this.lookedUp.delete(done)) done();
    };
    this.attachment.ask('NameHasOwner', 's', [farName], (reply) => {
      if (reply?.type === MessageType.MethodReturn && reply.body[0] === true)
        this.adopt(farName, once);
      else once();
    });
  }

  /** It has left the other bus. */
  depart(farName: string): void {
    const ghost = this.byFarName.get(farName);
    if (ghost === undefined) return;
    this.byFarName.delete(farName);
    ghost.depart();
    this.attachment.host.settle();
    this.byConnection.delete(ghost.connection);
  }

  departAll(): void {
    this.awaited.clear();
    const { lookedUp } = this;
    this.lookedUp = new Set();
    for (const done of lookedUp) done();
    for (const name of [...this.byFarName.keys()].toReversed()) this.depart(name);
  }

  private appear(farName: string, reply: BusReply, descriptors: DescriptorSet | null): void {
    const credentials = credentialsFrom(credentialsIn(reply), descriptors);
    const ghost = new Ghost(this.attachment, farName, credentials);
    this.byFarName.set(farName, ghost);
    this.byConnection.set(ghost.connection, ghost);
    this.attachment.gate?.close(farName);
    this.attachment.host.settle();
    const awaiting = this.awaited.get(farName) ?? [];
    this.awaited.delete(farName);
    for (const done of awaiting) done();
    /* the other bus no longer knows the connection, so no NameOwnerChanged will report that it has left */
    if (reply?.type === MessageType.Error) this.attachment.left(farName);
  }
}

function credentialsFrom(
  reported: ReportedCredentials | undefined,
  descriptors: DescriptorSet | null,
): Credentials {
  if (reported === undefined) return NO_CREDENTIALS;
  const { uid, pid, groups, securityLabel, pidFdIndex } = reported;
  const pidFd = pidFdIndex === undefined ? undefined : descriptors?.fds[pidFdIndex];
  return {
    ...NO_CREDENTIALS,
    uid,
    pid,
    groups,
    pidFd: pidFd === undefined ? undefined : duplicate(pidFd),
    securityLabel,
  };
}

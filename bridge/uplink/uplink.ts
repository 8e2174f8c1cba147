import type { DescriptorSet } from '#core/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { decodeMessage } from '#bridge/wire/message.js';
import type { Attachment } from './attachment.js';
import type { Confinement } from './confinement.js';
import type { Ghost } from './ghost.js';
import { Inbound } from './inbound.js';
import { BusLink, type LinkEvents } from './bus-link.js';
import type { NamePatterns } from './name-patterns.js';
import { Outbound } from './outbound.js';
import { UplinkRules } from './uplink-rules.js';

/** Why a client has no connection to the other bus. */
export interface UplinkFailure {
  readonly errorName: string;
  readonly text: string;
}

/** What a client may do on the other bus. */
export interface Access {
  readonly confinement: Confinement | undefined;
  /** the names that it may reach, own and listen to; undefined: all */
  readonly reach: NamePatterns | undefined;
}

export const FREE: Access = { confinement: undefined, reach: undefined };

type Waiter = (link: BusLink | undefined, failure: UplinkFailure | undefined) => void;

/**
 * One client's own connection to the other bus: opened on first use, closed when the client has left and everything
 * that it sent has been passed on. So clients of the other bus see one connection per client.
 */
export class Uplink implements LinkEvents {
  readonly attachment: Attachment;
  /** the client that it belongs to; undefined: the bridge's own, for services that have yet to be started */
  readonly connection: Connection | undefined;
  /** the client's unique name on this bus; empty while it has none */
  clientName: Uint8Array = new Uint8Array(0);
  /** the other bus knows the client by another name, or not at all */
  isAlias = false;
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  readonly rules: UplinkRules;
  /** exported names that it owns or is queued for on the other bus, with the flags of RequestName */
  readonly claims = new Map<string, number>();
  /** connections of the other bus from which a message has come in here */
  readonly heard = new Set<Ghost>();
  link: BusLink | null = null;
  /** names that are moving to this client: messages to them wait until it owns them on this bus, too */
  readonly arriving = new Set<string>();
  readonly access: Access;

  private readonly waiters: Waiter[] = [];
  private isLeaving = false;

  constructor(attachment: Attachment, connection: Connection | undefined) {
    this.attachment = attachment;
    this.connection = connection;
    this.access = connection === undefined ? FREE : attachment.accessOf(connection);
    this.outbound = new Outbound(this);
    this.inbound = new Inbound(this);
    this.rules = new UplinkRules(this);
  }

  /** Its unique name on the other bus; empty while it has none. */
  get farText(): string {
    return this.link?.uniqueName ?? '';
  }

  /** Whether the client may call, own or listen to this name on the other bus. */
  reaches(name: string): boolean {
    return this.access.reach?.matches(name) !== false;
  }

  /** Connects, unless that is done or under way. */
  open(): void {
    if (this.link !== null || this.isLeaving) return;
    const failure = this.attachment.mayConnect(this);
    if (failure !== undefined) return this.fail(failure);
    const socket = this.attachment.connect();
    if (typeof socket === 'string') return this.fail(this.attachment.unreachable(socket));
    this.link = this.attachment.newLink(socket, this);
  }

  /**
   * Calls `waiter` when the connection is established, at once if it is; otherwise with the reason why it failed.
   */
  whenReady(waiter: Waiter): void {
    if (this.link?.isReady === true) return waiter(this.link, undefined);
    this.waiters.push(waiter);
    this.attachment.defer(() => this.open());
  }

  /** The client has its unique name on this bus. */
  clientNamed(): void {
    this.clientName = Buffer.from(this.connection!.uniqueName, 'latin1');
    this.isAlias = this.farText !== this.connection!.uniqueName;
  }

  ready(): void {
    const link = this.link!;
    const { connection } = this;
    this.isAlias = connection?.isActive === true && this.farText !== connection.uniqueName;
    this.attachment.uplinks.named(this);
    this.rules.restore(link);
    for (const waiter of this.waiters.splice(0)) waiter(link, undefined);
    this.outbound.flush();
    this.drained();
  }

  message(_header: MessageHeader, descriptors: DescriptorSet | null): void {
    this.inbound.take(this.link!.envelope, descriptors);
  }

  drained(): void {
    if (this.isLeaving && !this.outbound.hasWaiting) this.close();
  }

  /**
   * The other bus has closed this connection. Whether it is gone as a whole, the watcher's connection shows; if not,
   * another connection is opened for the match rules.
   */
  closed(reason: string): void {
    const { attachment } = this;
    const link = this.link!;
    attachment.uplinks.unnamed(link);
    this.link = null;
    this.inbound.close();
    const failure = { ...attachment.unreachable(reason), errorName: ErrorName.NoReply };
    this.refuseWaiters(failure);
    attachment.whenSure(this.outbound.abandon(failure.errorName, failure.text));
    attachment.uplinkLost(this, reason);
    if (this.isLeaving) this.close();
    else if (link.uniqueName !== '') attachment.whenSure(() => this.listenAgain());
  }

  private listenAgain(): void {
    if (this.attachment.isUp && !this.rules.isEmpty) this.open();
  }

  /** The other bus is gone; the client is still there. */
  suspend(reason: string): void {
    const { link } = this;
    this.link = null;
    if (link !== null) this.attachment.uplinks.unnamed(link);
    link?.close();
    this.inbound.close();
    this.claims.clear();
    this.fail({ ...this.attachment.unreachable(reason), errorName: ErrorName.NoReply });
  }

  /** The client has left. Its last messages are still passed on. */
  leave(): void {
    this.isLeaving = true;
    if (!this.outbound.hasWaiting) this.close();
  }

  close(): void {
    this.isLeaving = true;
    this.attachment.uplinks.remove(this);
    for (const ghost of this.heard) ghost.audience.delete(this);
    const { link } = this;
    this.link = null;
    if (link !== null) this.attachment.uplinks.unnamed(link);
    link?.close();
    this.inbound.close();
    const text = 'The connection to the other bus was closed';
    this.fail({ errorName: ErrorName.NoReply, text });
  }

  /**
   * Calls back when the client has been given everything that `farName` has sent to it so far, unless it does not
   * read.
   */
  hearOut(farName: string, done: () => void): void {
    if (this.inbound.isStuck || this.link?.isReady !== true) return done();
    const once = this.orStuck(done);
    this.link.call('GetId', '', [], () => this.inbound.whenDrained(farName, once));
  }

  /** Calls back when the other bus has processed everything that the client, if it reads, has sent so far. */
  whenPassedOn(done: () => void): void {
    if (this.inbound.isStuck) return done();
    const once = this.orStuck(done);
    this.whenReady((link) => {
      if (link === undefined) return once();
      /* what waits for the connection to be ready goes out first */
      this.attachment.defer(() => link.call('GetId', '', [], once));
    });
  }

  /** Calls back when the client has been given everything that was sent to it so far, unless it does not read. */
  whenHeard(done: () => void): void {
    if (this.link?.isReady !== true) return done();
    this.whenPassedOn(() => this.inbound.whenPassed(done));
  }

  answerWithError(caller: Ghost, serial: number, errorName: string, text: string): void {
    if (this.link?.isReady === true) this.link.sendError(caller.farText, serial, errorName, text);
  }

  /** The client's name here if the message is sent to this connection; null: it is sent to a well-known name. */
  nameHere({ bytes, destinationOffset, destinationLength }: MessageHeader): Uint8Array | null {
    const { farText } = this;
    if (destinationLength !== farText.length) return null;
    for (let i = 0; i < destinationLength; i++) {
      if (bytes[destinationOffset + i] !== farText.charCodeAt(i)) return null;
    }
    return this.clientName;
  }

  /** NameLost: another client of the other bus has taken a name from this uplink. */
  lostName({ bytes, start, end }: MessageHeader): void {
    const [name] = decodeMessage(bytes.slice(start, end)).body;
    if (this.claims.has(String(name))) this.attachment.exports.lost(this, String(name));
  }

  /** Calls `done` when it is called itself, or once the client does not read. */
  private orStuck(done: () => void): () => void {
    let isDone = false;
    const once = (): void => {
      if (isDone) return;
      isDone = true;
      cancel();
      done();
    };
    const cancel = this.inbound.whenStuck(once);
    return once;
  }

  private fail(failure: UplinkFailure): void {
    this.refuseWaiters(failure);
    this.outbound.fail(failure.errorName, failure.text);
  }

  private refuseWaiters(failure: UplinkFailure): void {
    for (const waiter of this.waiters.splice(0)) waiter(undefined, failure);
  }
}

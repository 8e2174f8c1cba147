import { SendStatus, type Handle, type Message, type Peer } from '#core/index.js';
import { emptyList } from '#core/stable-shape.js';
import { MessageHeader } from '#bridge/wire/header.js';
import type { Facet } from '#policy/index.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/wire/standard-names.js';

import type { Connection, Standing } from './connection.js';
import { type DirectoryChange } from './directory-change.js';
import type { Envelope } from './envelope.js';
import type { Grants } from './grants.js';
import { MatchIndex } from './match-index.js';
import type { MatchRule } from './match-rule.js';
import type { Departure, Mirror, Publication, ReportRequest } from './mirrors.js';
import { Monitors, type Monitor } from './monitors.js';
import type { NameChange } from './names.js';
import type { FiledName } from './registry.js';
import type { Synchronisation } from './replica.js';

export { DRIVER_NAME, DRIVER_PATH };

/** What a directory, the registry or a replica, keeps with the nodes of its peer. */
export type DirectoryNodeContext = Connection | Publication | ReportRequest | Synchronisation;

/** What it keeps with its handles: the connection of an inbox, or what else they lead to. */
export type DirectoryHandleContext = Connection | FiledName | Monitor | Mirror | Departure;

export type DirectoryPeer = Peer<DirectoryNodeContext, DirectoryHandleContext>;
export type DirectoryHandle = Handle<DirectoryHandleContext>;

export interface DirectoryEvents {
  /** The policy kept a broadcast from one of its subscribers: no error is sent, but monitors see one. */
  withheld(envelope: Envelope, sender: Connection | undefined, facet: Facet): void;
  /** A broadcast found no room at `inbox`; its sender gets no error. */
  missed(inbox: Handle, sender: Connection, message: Message): void;
}

/**
 * Who is on the bus, and who wants to see what: everything that is needed to send a broadcast and to show messages
 * to monitors and eavesdroppers. Only the registry decides; every other host has a replica that follows it.
 */
export abstract class Directory {
  /**
   * Holds the handles to inboxes and to monitors. Messages of clients, with what these keep with their nodes, are sent
   * to several receivers through it: such a message makes no node.
   */
  readonly peer: Peer<unknown, DirectoryHandleContext>;
  /** connections that have said Hello, by unique name */
  readonly connections = new Map<string, Connection>();
  /** the same connections by number (envelope.ts): messages from other processes are checked without making strings */
  readonly numbered = new Map<number, Connection>();
  /** how many of them are native peers */
  nativeCount = 0;
  readonly subscriptions = new MatchIndex<Connection>();
  readonly grants: Grants;
  readonly monitors: Monitors;
  /** copies of broadcasts that found no room at their receiver since the start */
  missedSignals = 0;
  /** called for every change, with the handle that belongs to it */
  onChange: ((change: DirectoryChange, handle?: Handle) => void) | null = null;
  onAppearance: ((connection: Connection) => void) | null = null;

  private readonly directoryEvents: DirectoryEvents;
  private readonly driverIds: number[];
  private readonly subscribers = emptyList<Connection>();
  private readonly inboxes = emptyList<Handle>();
  private readonly subject = {
    header: new MessageHeader(),
    senderIds: [] as readonly number[],
    senderIdCount: 0,
    destinationIds: [] as readonly number[],
    destinationIdCount: 0,
  };

  constructor(peer: DirectoryPeer, grants: Grants, events: DirectoryEvents) {
    this.peer = peer;
    this.grants = grants;
    this.directoryEvents = events;
    this.driverIds = [this.subscriptions.interner.retain(DRIVER_NAME)];
    this.monitors = new Monitors(this.peer, this.subscriptions.interner);
  }

  /** Who owns a well-known name. */
  abstract primary(name: string): Connection | undefined;

  /** The connection that a unique or well-known name leads to at this moment. */
  owner(name: string): Connection | undefined {
    return name.startsWith(':') ? this.connections.get(name) : this.primary(name);
  }

  /** A connection has got its unique name. */
  add(connection: Connection): void {
    this.connections.set(connection.uniqueName, connection);
    this.numbered.set(connection.number, connection);
    if (connection.isNative) this.nativeCount++;
    connection.names.add(connection.uniqueName);
    this.grants.nameMoved(connection.uniqueName, connection);
    connection.matchIds.add(this.subscriptions.interner.retain(connection.uniqueName));
    this.onAppearance?.(connection);
  }

  /**
   * A connection is gone. `dropsRulesNaming`: also drops all rules that contain its unique name, which can never
   * match again.
   */
  remove(connection: Connection, dropsRulesNaming: boolean): void {
    connection.live = false;
    this.subscriptions.removeAll(connection);
    if (!connection.isActive) return;
    this.connections.delete(connection.uniqueName);
    this.numbered.delete(connection.number);
    if (connection.isNative) this.nativeCount--;
    if (dropsRulesNaming) this.dropRulesNaming(connection);
    for (const id of connection.matchIds.list) this.subscriptions.interner.release(id);
    this.onChange?.({ kind: 'gone', number: connection.number, dropsRulesNaming });
  }

  /** `connection` owns or is queued for a name: policy rules may depend on that. */
  joined(name: string, connection: Connection): void {
    connection.names.add(name);
    this.grants.nameMoved(name, connection);
    this.onChange?.({ kind: 'joined', number: connection.number, name });
  }

  left(name: string, connection: Connection): void {
    connection.names.delete(name);
    this.grants.nameMoved(name, connection);
    this.onChange?.({ kind: 'left', number: connection.number, name });
  }

  /** Updates the ids of both owners in the match index after a change of ownership. */
  noteOwnership({ name, oldOwner, newOwner }: NameChange<Connection>): void {
    const { interner } = this.subscriptions;
    if (newOwner !== undefined) newOwner.matchIds.add(interner.retain(name));
    if (oldOwner !== undefined) {
      const id = interner.retain(name);
      oldOwner.matchIds.remove(id);
      interner.release(id);
      interner.release(id);
    }
    this.onChange?.({
      kind: 'owner',
      name,
      oldOwner: oldOwner?.number ?? -1,
      newOwner: newOwner?.number ?? -1,
    });
  }

  subscribe(rule: MatchRule, connection: Connection): void {
    this.subscriptions.add(rule, connection);
    connection.matchRuleCount++;
    this.onChange?.({ kind: 'subscribed', number: connection.number, rule: rule.text });
  }

  /** False: the connection has no such rule. */
  unsubscribe(rule: MatchRule, connection: Connection): boolean {
    if (!this.subscriptions.remove(rule, connection)) return false;
    connection.matchRuleCount--;
    this.onChange?.({ kind: 'unsubscribed', number: connection.number, rule: rule.text });
    return true;
  }

  /** Copies of what `rules` match go to the node behind `handle` from now on. */
  watch(handle: DirectoryHandle, rules: readonly MatchRule[], connection: Connection): void {
    this.monitors.add(handle, rules, connection);
  }

  unwatch(monitor: Monitor): void {
    this.monitors.remove(monitor);
  }

  /** Whether anyone may see messages that are addressed to others: monitors, or rules with eavesdrop=true. */
  get isObserved(): boolean {
    return this.monitors.count > 0 || this.subscriptions.hasEavesdroppers;
  }

  /** Whether anyone may get a broadcast at all. */
  get hasListeners(): boolean {
    return this.monitors.count > 0 || this.subscriptions.ruleCount > 0;
  }

  /** Sends `message` to every subscriber, in one transaction. `sender` undefined: it is the driver's. */
  broadcast(envelope: Envelope, message: Message, sender: Connection | undefined): void {
    this.deliver(envelope, message, sender, undefined);
  }

  /** Shows a message to monitors, before anything else is done with it. */
  capture(envelope: Envelope, message: Message, sender: Connection | undefined): void {
    if (this.monitors.count === 0) return;
    this.monitors.capture(this.describe(envelope, sender), message, sender?.payer ?? this.peer);
  }

  /** Shows a delivered message to connections whose rules with eavesdrop=true match it. */
  eavesdrop(envelope: Envelope, message: Message, sender: Connection | undefined): void {
    if (!this.subscriptions.hasEavesdroppers || envelope.header.destinationLength === 0) return;
    this.deliver(envelope, message, sender, this.addressed(envelope));
  }

  private deliver(
    envelope: Envelope,
    message: Message,
    sender: Connection | undefined,
    addressed: Connection | undefined,
  ): void {
    const { subscribers, inboxes } = this;
    subscribers.length = 0;
    this.subscriptions.collect(this.describe(envelope, sender), subscribers, addressed);
    const isBroadcast = envelope.header.destinationLength === 0;
    let count = 0;
    let standing: Standing | null = null;
    let facet: Facet | null = null;
    for (const subscriber of subscribers) {
      if (!subscriber.live || !subscriber.inbox.live) continue;
      /* many subscribers have the same standing, and are asked for once */
      if (subscriber.standing !== standing) {
        ({ standing } = subscriber);
        facet = isBroadcast
          ? this.grants.broadcastFacet(sender, subscriber)
          : this.grants.eavesdropFacet(sender, subscriber);
      }
      if (facet !== null && !facet.check(envelope.header)) {
        this.directoryEvents.withheld(envelope, sender, facet);
        continue;
      }
      inboxes[count++] = subscriber.inbox;
    }
    if (count > 0) this.sendToAll(count, message, sender);
  }

  /** One transaction for all receivers that have room; if one has none, the others are sent to one by one. */
  private sendToAll(count: number, message: Message, sender: Connection | undefined): void {
    const { peer, inboxes } = this;
    const payer = sender?.payer ?? peer;
    if (peer.multicast(inboxes, count, message, payer) === SendStatus.Sent) return;
    for (const inbox of inboxes.slice(0, count)) {
      if (peer.send(inbox, message, payer) === SendStatus.Sent) continue;
      this.missedSignals++;
      if (sender !== undefined) this.directoryEvents.missed(inbox, sender, message);
    }
  }

  /** A message as match rules see it. */
  private describe(envelope: Envelope, sender: Connection | undefined): typeof this.subject {
    const { subject } = this;
    subject.header = envelope.header;
    subject.senderIds = sender === undefined ? this.driverIds : sender.matchIds.list;
    subject.senderIdCount = subject.senderIds.length;
    subject.destinationIdCount = 0;
    if (envelope.header.destinationLength > 0 && this.isObserved) this.describeDestination(subject);
    return subject;
  }

  /** Rules may name the addressed connection by any name that it owns. */
  private describeDestination(subject: typeof this.subject): void {
    const { bytes, destinationOffset, destinationLength } = subject.header;
    const name = nameAt(bytes, destinationOffset, destinationLength);
    const owner = this.owner(name);
    const unowned = (): number[] => [
      this.subscriptions.interner.find(bytes, destinationOffset, destinationLength),
    ];
    subject.destinationIds =
      name === DRIVER_NAME ? this.driverIds : (owner?.matchIds.list ?? unowned());
    subject.destinationIdCount = subject.destinationIds.length;
  }

  private addressed({ header }: Envelope): Connection | undefined {
    return this.owner(nameAt(header.bytes, header.destinationOffset, header.destinationLength));
  }

  /**
   * Removes rules that contain this connection's unique name, which can never match again. dbus-daemon looks for
   * them only when the connection had rules itself or becomes a monitor; otherwise they stay until they are
   * removed.
   */
  private dropRulesNaming({ uniqueName }: Connection): void {
    for (const { subscriber, count } of this.subscriptions.removeNaming(uniqueName)) {
      subscriber.matchRuleCount -= count;
    }
  }
}

function nameAt(bytes: Uint8Array, offset: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('latin1');
}

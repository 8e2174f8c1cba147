import {
  Message,
  ReceivedType,
  SendStatus,
  type Handle,
  type LocalDomain,
  type Peer,
  type Received,
  type ResourceUser,
} from '#core/index.js';

import type { Facet } from '#policy/index.js';
import { MessageHeader } from '#bridge/wire/header.js';

import type { Connection } from './connection.js';
import { ControlCode, parseControl, Resolution } from './control-message.js';
import type { Envelope } from './envelope.js';
import type { Grant, Grants } from './grants.js';
import { MatchIndex } from './match-index.js';
import { Monitor, Monitors } from './monitors.js';
import { Peaks } from './peaks.js';
import { Names, type NameChange } from './names.js';

export const DRIVER_NAME = 'org.freedesktop.DBus';
export const DRIVER_PATH = '/org/freedesktop/DBus';

/** For a name that leads nowhere. */
const NO_GRANT: Grant = { facet: null, replyFacet: null };

/** What happens to names because handles died; the driver announces it. */
export interface RegistryEvents {
  nameChanged(change: NameChange<Connection>): void;
  connectionGone(connection: Connection): void;
  monitorGone(connection: Connection): void;
  /** The policy kept a broadcast from one of its subscribers: nobody is told, but monitors see the error. */
  withheld(envelope: Envelope, sender: Connection | undefined, facet: Facet): void;
  /**
   * Where messages of `sender` for an unowned name can wait; undefined when nothing can be started under it. The handle
   * is the registry's.
   */
  parkingFor(name: string, sender: Connection): Handle | undefined;
}

/** The `context` of the registry's handle to a name node. */
interface NameHandleContext {
  readonly connection: Connection;
  readonly name: string;
}

/**
 * The peer that knows which name leads to which handle. Senders ask it on first contact only; the handle that they get
 * dies with its node, so nobody has to be told when a name changes hands.
 */
export class Registry {
  readonly peer: Peer;
  readonly names = new Names<Connection>();
  /** connections that have said Hello, by unique name */
  readonly connections = new Map<string, Connection>();
  readonly subscriptions = new MatchIndex<Connection>();
  readonly grants: Grants;
  readonly monitors: Monitors;
  readonly peaks = new Peaks();
  /** copies of broadcasts that found no room at their receiver since the start */
  missedSignals = 0;
  /** lookups that were answered since the start */
  lookups = 0;

  private readonly events: RegistryEvents;
  private readonly answer = new Message();
  private readonly driverIds: number[];
  private readonly subscribers: Connection[] = [];
  private readonly inboxes: Handle[] = [];
  private readonly subject = {
    header: new MessageHeader(),
    senderIds: [] as readonly number[],
    senderIdCount: 0,
    destinationIds: [] as readonly number[],
    destinationIdCount: 0,
  };

  constructor(
    domain: LocalDomain,
    user: ResourceUser,
    grants: Grants,
    onArrival: () => void,
    events: RegistryEvents,
  ) {
    this.peer = domain.openPeer({ user, onArrival });
    this.events = events;
    this.grants = grants;
    this.driverIds = [this.subscriptions.interner.retain(DRIVER_NAME)];
    this.monitors = new Monitors(this.peer, this.subscriptions.interner);
  }

  /** Deals with everything that has arrived. */
  run(): void {
    for (let entry = this.peer.receive(); entry !== undefined; entry = this.peer.receive()) {
      if (entry.type === ReceivedType.User) this.resolve(entry);
      else if (entry.type === ReceivedType.NodeRelease) this.lost(entry.handle);
    }
  }

  /** A connection has got its unique name. */
  add(connection: Connection): void {
    this.connections.set(connection.uniqueName, connection);
    connection.names.add(connection.uniqueName);
    this.peaks.noteNames(connection, this.busNameCount);
    connection.matchIds.push(this.subscriptions.interner.retain(connection.uniqueName));
  }

  /** Files the handle to a node under which `connection` can be reached by `name`. */
  fileName(name: string, connection: Connection, handle: Handle): void {
    const context: NameHandleContext = { connection, name };
    handle.context = context;
    connection.nameHandles.set(name, handle);
    this.joined(name, connection);
  }

  /** `connection` holds or waits for a name: rules may look at that. */
  joined(name: string, connection: Connection): void {
    connection.names.add(name);
    this.peaks.noteNames(connection, this.busNameCount);
    this.grants.nameMoved(name);
  }

  left(name: string, connection: Connection): void {
    connection.names.delete(name);
    this.grants.nameMoved(name);
  }

  /** Keeps the sender ids of the match index in step with who owns what. */
  noteOwnership({ name, oldOwner, newOwner }: NameChange<Connection>): void {
    const { interner } = this.subscriptions;
    if (newOwner !== undefined) newOwner.matchIds.push(interner.retain(name));
    if (oldOwner === undefined) return;
    const id = interner.retain(name);
    oldOwner.matchIds.splice(oldOwner.matchIds.indexOf(id), 1);
    interner.release(id);
    interner.release(id);
  }

  /** The connection that a unique or well-known name leads to at this moment. */
  owner(name: string): Connection | undefined {
    return name.startsWith(':') ? this.connections.get(name) : this.names.primary(name);
  }

  /** Sends `message` to everybody who subscribed to it, in one transaction. `sender` undefined: the driver's. */
  broadcast(envelope: Envelope, message: Message, sender: Connection | undefined): void {
    this.deliver(envelope, message, sender, undefined);
  }

  /** Connections that have said Hello, monitors included. */
  get activeCount(): number {
    return this.connections.size + this.monitors.count;
  }

  /** Names that lead somewhere: unique ones and owned ones. */
  get busNameCount(): number {
    return this.connections.size + this.names.count;
  }

  /** Whether anybody watches what is not for him: monitors, or rules with eavesdrop=true. */
  get isObserved(): boolean {
    return this.monitors.count > 0 || this.subscriptions.hasEavesdroppers;
  }

  /** Shows a message to monitors, before anything else is done with it. */
  capture(envelope: Envelope, message: Message, sender: Connection | undefined): void {
    if (this.monitors.count === 0) return;
    this.monitors.capture(this.describe(envelope, sender), message);
  }

  /** Shows a message that was delivered to those who eavesdrop on its sender or receiver. */
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
    for (const subscriber of subscribers) {
      if (!subscriber.live) continue;
      const facet = isBroadcast
        ? this.grants.broadcastFacet(sender, subscriber)
        : this.grants.eavesdropFacet(sender, subscriber);
      if (facet !== null && !facet.check(envelope.header)) {
        this.events.withheld(envelope, sender, facet);
        continue;
      }
      inboxes[count++] = subscriber.inbox;
    }
    if (count > 0) this.sendToAll(count, message);
  }

  /** One transaction; where one receiver has no room, all who have some still get it, each for himself. */
  private sendToAll(count: number, message: Message): void {
    if (this.peer.multicast(this.inboxes, count, message) === SendStatus.Sent) return;
    for (let i = 0; i < count; i++) {
      const status = this.peer.send(this.inboxes[i], message);
      if (status !== SendStatus.Sent) this.missedSignals++;
    }
  }

  /** A message as match rules see it. */
  private describe(envelope: Envelope, sender: Connection | undefined): typeof this.subject {
    const { subject } = this;
    subject.header = envelope.header;
    subject.senderIds = sender === undefined ? this.driverIds : sender.matchIds;
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
    subject.destinationIds = name === DRIVER_NAME ? this.driverIds : (owner?.matchIds ?? unowned());
    subject.destinationIdCount = subject.destinationIds.length;
  }

  private addressed({ header }: Envelope): Connection | undefined {
    return this.owner(nameAt(header.bytes, header.destinationOffset, header.destinationLength));
  }

  private resolve(entry: Extract<Received, { type: 0 }>): void {
    this.lookups++;
    const reply = entry.handles[0];
    const { code, text: name } = parseControl(entry.bytes);
    if (reply === undefined || code !== ControlCode.Resolve) return;
    const owner = this.owner(name);
    const handle = name.startsWith(':') ? owner?.inbox : owner?.nameHandles.get(name);
    const sender = entry.node.context as Connection;
    if (handle !== undefined && owner !== undefined) {
      this.reply(reply, Resolution.Owned, handle, this.grants.between(sender, owner));
    } else {
      this.replyUnowned(reply, name, sender);
    }
  }

  private replyUnowned(to: Handle, name: string, sender: Connection): void {
    const parking = this.events.parkingFor(name, sender);
    if (parking === undefined) return this.reply(to, Resolution.Unowned, undefined, NO_GRANT);
    const grant = this.grants.withServiceToStart(sender, name);
    this.reply(to, Resolution.Activatable, parking, grant);
    this.peer.release(parking);
  }

  private reply(
    to: Handle,
    resolution: Resolution,
    handle: Handle | undefined,
    grant: Grant,
  ): void {
    const message = this.answer.clear();
    message.addPiece(new Uint8Array([resolution]), 0, 1);
    message.note = grant;
    if (handle !== undefined) message.addTransfer(handle);
    this.peer.send(to, message);
  }

  /** NODE_RELEASE: a name node or an inbox is gone, for whatever cause. */
  private lost(handle: Handle): void {
    const context = handle.context;
    if (context === null) return;
    if (context instanceof Monitor) this.lostMonitor(context);
    else if (isNameContext(context)) this.lostName(context, handle);
    else this.lostConnection(context as Connection);
  }

  private lostName({ connection, name }: NameHandleContext, handle: Handle): void {
    if (connection.nameHandles.get(name) !== handle) return;
    if (connection.inbox.node.live) {
      this.loseName(name, connection);
      return;
    }
    /* all of the connection is gone: its names go in dbus-daemon's order, the one that it joined last first */
    for (const each of this.names.joinedNamesOf(connection).toReversed()) {
      this.loseName(each, connection);
    }
  }

  private loseName(name: string, connection: Connection): void {
    connection.nameHandles.delete(name);
    this.left(name, connection);
    const { change } = this.names.release(name, connection);
    if (change === undefined) return;
    this.noteOwnership(change);
    this.events.nameChanged(change);
  }

  private lostMonitor(monitor: Monitor): void {
    this.monitors.remove(monitor);
    this.events.monitorGone(monitor.connection);
  }

  /**
   * Rules that ask for what a connection says that will never say anything again. The reference daemon looks for them
   * only when that connection had rules itself or becomes a monitor; otherwise they stay until they are removed.
   */
  private dropRulesNaming({ uniqueName }: Connection): void {
    for (const { subscriber, count } of this.subscriptions.removeNaming(uniqueName)) {
      subscriber.matchRuleCount -= count;
    }
  }

  private lostConnection(connection: Connection): void {
    connection.live = false;
    const hadRules = connection.matchRuleCount > 0;
    this.subscriptions.removeAll(connection);
    this.events.connectionGone(connection);
    if (!connection.isActive) return;
    this.connections.delete(connection.uniqueName);
    if (hadRules || connection.isMonitor) this.dropRulesNaming(connection);
    for (const id of connection.matchIds) this.subscriptions.interner.release(id);
  }
}

function nameAt(bytes: Uint8Array, offset: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('latin1');
}

function isNameContext(context: unknown): context is NameHandleContext {
  return typeof context === 'object' && context !== null && 'name' in context;
}

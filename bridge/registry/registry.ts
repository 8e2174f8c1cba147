import {
  Message,
  ReceivedType,
  type Handle,
  type LocalDomain,
  type Peer,
  type Received,
  type ResourceUser,
} from '#core/index.js';

import { MessageHeader } from '#bridge/wire/header.js';

import type { Connection } from './connection.js';
import { ControlCode, parseControl, Resolution } from './control-message.js';
import type { Envelope } from './envelope.js';
import type { Grant, Grants } from './grants.js';
import { MatchIndex } from './match-index.js';
import { Names, type NameChange } from './names.js';

export const DRIVER_NAME = 'org.freedesktop.DBus';
export const DRIVER_PATH = '/org/freedesktop/DBus';

/** What waits for a service to start is judged when it is delivered. */
const OPEN: Grant = { facet: null, replyFacet: null };

/** What happens to names because handles died; the driver announces it. */
export interface RegistryEvents {
  nameChanged(change: NameChange<Connection>): void;
  connectionGone(connection: Connection): void;
  /** Where messages for an unowned name can wait; undefined when nothing can be started under it. */
  activatable(name: string): Handle | undefined;
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
    const { subscribers, inboxes } = this;
    subscribers.length = 0;
    const ids = sender === undefined ? this.driverIds : sender.matchIds;
    const subject = this.subject;
    subject.header = envelope.header;
    subject.senderIds = ids;
    subject.senderIdCount = ids.length;
    this.subscriptions.collect(subject, subscribers);
    let count = 0;
    for (const subscriber of subscribers) {
      if (!subscriber.live || subscriber.isMonitor) continue;
      const facet = this.grants.broadcastFacet(sender, subscriber);
      if (facet !== null && !facet.check(envelope.header)) continue;
      inboxes[count++] = subscriber.inbox;
    }
    if (count > 0) this.peer.multicast(inboxes, count, message);
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
      const parking = this.events.activatable(name);
      const resolution = parking === undefined ? Resolution.Unowned : Resolution.Activatable;
      this.reply(reply, resolution, parking, OPEN);
    }
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
    if (isNameContext(context)) this.lostName(context, handle);
    else this.lostConnection(context as Connection);
  }

  private lostName({ connection, name }: NameHandleContext, handle: Handle): void {
    if (connection.nameHandles.get(name) !== handle) return;
    connection.nameHandles.delete(name);
    this.left(name, connection);
    const { change } = this.names.release(name, connection);
    if (change === undefined) return;
    this.noteOwnership(change);
    this.events.nameChanged(change);
  }

  private lostConnection(connection: Connection): void {
    connection.live = false;
    this.subscriptions.removeAll(connection);
    this.events.connectionGone(connection);
    if (!connection.isActive) return;
    this.connections.delete(connection.uniqueName);
    this.subscriptions.removeNaming(connection.uniqueName);
    for (const id of connection.matchIds) this.subscriptions.interner.release(id);
  }
}

function isNameContext(context: unknown): context is NameHandleContext {
  return typeof context === 'object' && context !== null && 'name' in context;
}

import {
  DescriptorSet,
  Message,
  ReceivedType,
  type Handle,
  type LocalDomain,
  type Peer,
  type ResourceUser,
} from '#core/index.js';
import { Connection } from '#bridge/registry/connection.js';
import { Control, controlMessage, encode, readControl } from '#bridge/registry/control-message.js';
import type { DirectoryHandle } from '#bridge/registry/directory.js';
import { SECOND_SPACE, uniqueName } from '#bridge/registry/envelope.js';
import type { Grants } from '#bridge/registry/grants.js';
import type { MatchRule } from '#bridge/registry/match-rule.js';
import type { Mirrors } from '#bridge/registry/mirrors.js';
import type { NameChange } from '#bridge/registry/names.js';
import { Registry, senderAt } from '#bridge/registry/registry.js';
import {
  checkIncoming,
  IncomingFault,
  incomingFaultText,
  NODE_OF_SENDER,
} from '#bridge/peer/incoming-check.js';
import { MessageHeader } from '#bridge/wire/header.js';
import {
  decodeMessage,
  encodeMessage,
  type DecodedMessage,
  type MessageFields,
} from '#bridge/wire/message.js';
import { MessageFlag, MessageType, wantsReply } from '#bridge/wire/types.js';

import type { BusSettings } from './bus-settings.js';
import { Door, type DomainAccess, type Admission, type Arrival } from './door.js';
import { ErrorName } from './driver-error.js';
import { dispatch, isHello, refuseUnregistered } from './dispatch.js';
import { nameSignal } from './messages.js';
import type { DriverInterface } from './method.js';
import { reportDenial } from './report-denial.js';
import { noteReportedDenial } from './status.js';
import { Voice } from './voice.js';

/** The header of a message of the driver's, which adds serial and sender. */
export type OwnMessageFields = Omit<MessageFields, 'serial' | 'sender'>;

/**
 * The peer that answers as org.freedesktop.DBus. Every connection has a node of its own here, so the node at which a
 * message arrives tells its sender. Names change hands when name nodes are released; the driver then announces it.
 */
export class Driver {
  readonly peer: Peer<Connection, never>;
  readonly registry: Registry;
  readonly settings: BusSettings;
  readonly interfaces: readonly DriverInterface[];
  readonly connections = new Set<Connection>();
  /** by uid, the number of connections that have said Hello */
  readonly perUser = new Map<number, number>();
  /** number of the next answer of Debug.Stats */
  statsSerial = 0;

  private readonly voice: Voice;
  private readonly control = new Message<never, never>();
  private readonly settleShims: () => void;
  private nextNumber = 0;
  private door: Door | null = null;

  /**
   * @param onArrival is called when `run` has something to do
   * @param settleShims makes shims carry out the control messages that they have received
   */
  constructor(
    domain: LocalDomain,
    user: ResourceUser,
    settings: BusSettings,
    grants: Grants,
    interfaces: readonly DriverInterface[],
    onArrival: () => void,
    settleShims: () => void,
  ) {
    this.settings = settings;
    this.interfaces = interfaces;
    this.settleShims = settleShims;
    this.peer = domain.openPeer({ user, onArrival });
    this.voice = new Voice(this.peer, () => this.registry);
    this.registry = new Registry(domain, user, grants, onArrival, {
      nameChanged: (change) => this.announce(change),
      connectionGone: (connection) => this.connectionGone(connection),
      monitorGone: (connection) => this.forgetUser(connection),
      withheld: (envelope, sender, facet) => this.voice.showRefusal(envelope, sender, facet),
      parkingFor: (name, sender) => this.parkingFor(name, sender),
      missed: (inbox, sender, message) => settings.missed(inbox, sender, message),
      failed: (origin, sender, error) => settings.blame(origin, sender, error),
      nodeAwaited: (giveUp) => this.settings.after(WITHDRAWAL_MAX_MS, giveUp),
    });
  }

  /** Starts to admit processes of a domain. Returns the door, whose handle must become the domain's root. */
  openDoor(domain: DomainAccess): Door {
    this.door = new Door(this, domain);
    return this.door;
  }

  /** Whether unique names were given out here, and not by another bus that this one is attached to. */
  // hot
  get hasGivenNames(): boolean {
    return this.nextNumber > 0;
  }

  get mirrors(): Mirrors {
    return this.registry.mirrors;
  }

  /** Admits a new connection: `shim` gets a handle to a driver node and a registry node of its own. */
  admit<HandleContext>(
    shim: Peer<unknown, HandleContext>,
    inbox: Handle,
    connection: Connection,
  ): Admission<HandleContext> {
    connection.driverInbox = inbox;
    connection.inbox = this.peer.copyHandle(inbox, this.registry.peer);
    connection.inbox.context = connection;
    const driver = this.peer.createNode(shim);
    const registry = this.registry.peer.createNode(shim);
    driver.node.context = connection;
    registry.node.context = connection;
    connection.driverNode = driver.node;
    connection.registryNode = registry.node;
    this.connections.add(connection);
    return { connection, driver: driver.handle, registry: registry.handle };
  }

  /** Processes everything that has arrived. */
  run(): void {
    this.registry.run();
    for (let entry = this.peer.receive(); entry !== undefined; entry = this.peer.receive()) {
      if (entry.type === ReceivedType.User) this.attempt(entry);
      this.registry.run();
    }
  }

  private attempt(entry: Arrival): void {
    try {
      this.received(entry);
    } catch (error) {
      this.settings.blame(entry.origin, senderAt(entry.node), error);
    }
  }

  /**
   * Hello: the connection gets its unique name; the one with this number, if that is free. Signals about it follow the
   * reply.
   */
  activate(connection: Connection, wanted = -1): string {
    connection.number = this.isFree(wanted) ? wanted : this.nextFree();
    connection.uniqueName = uniqueName(connection.number);
    const { uid } = connection.credentials;
    if (uid !== undefined) this.perUser.set(uid, (this.perUser.get(uid) ?? 0) + 1);
    this.registry.add(connection);
    const { number } = connection;
    const welcome = controlMessage(this.control, Control.Welcome, { number });
    this.peer.send(connection.driverInbox, welcome);
    this.settleShims();
    return connection.uniqueName;
  }

  private isFree(number: number): boolean {
    return number >= 0 && !this.registry.numbered.has(number);
  }

  private nextFree(): number {
    const space = this.settings.attached === undefined ? 0 : SECOND_SPACE;
    while (!this.isFree(space + this.nextNumber)) this.nextNumber++;
    return space + this.nextNumber++;
  }

  /**
   * A name has got, lost or changed its owner: NameLost, NameOwnerChanged, NameAcquired, in dbus-daemon's order
   * (`bus/services.c`). The old owner can no longer be reached by the name when these signals arrive.
   */
  announce(change: NameChange<Connection>): void {
    const { name, oldOwner, newOwner } = change;
    if (oldOwner !== undefined) this.signalTo(oldOwner, 'NameLost', [name]);
    this.nameOwnerChanged(name, oldOwner?.uniqueName ?? '', newOwner?.uniqueName ?? '');
    if (newOwner !== undefined) this.signalTo(newOwner, 'NameAcquired', [name]);
    if (newOwner !== undefined) this.settings.activator.nameAppeared(name, newOwner);
    this.settings.attached?.nameChanged(change);
  }

  nameOwnerChanged(name: string, oldOwner: string, newOwner: string): void {
    this.broadcast('NameOwnerChanged', 'sss', [name, oldOwner, newOwner]);
  }

  /** Makes `connection` release its node for `name`; with `requeue` it sends another for its place in the queue. */
  withdrawName(name: string, connection: Connection, requeue: boolean): void {
    if (!requeue) this.settings.attached?.nameLeft(name, connection);
    const handle = connection.nameHandles.get(name);
    if (handle === undefined) return;
    connection.nameHandles.delete(name);
    this.registry.left(name, connection);
    const message = controlMessage(this.control, Control.ReleaseName, { isQueued: requeue, name });
    this.registry.peer.send(handle, message);
    this.settleShims();
    if (connection.process === 0 || !handle.live) return;
    const giveUp = this.mirrors.expectRelease(handle);
    this.settings.after(WITHDRAWAL_MAX_MS, giveUp);
  }

  /** Removes a connection from the queue for a name, which it must be in. */
  takeName(name: string, connection: Connection): void {
    const { change } = this.registry.names.release(name, connection);
    if (change !== undefined) this.registry.noteOwnership(change);
    this.withdrawName(name, connection, false);
    if (change !== undefined) this.announce(change);
  }

  /** Signals a change of one of the connection's own names. If it has left, only monitors see the signal. */
  signalTo(to: Connection, member: 'NameAcquired' | 'NameLost', body: readonly [string]): void {
    if (!this.voice.isHeard(to.driverInbox)) return;
    const { facet } = this.registry.grants.fromDriver(to);
    this.voice.post(to.driverInbox, body, nameSignal(to, member), facet);
  }

  /** Sends a message of the driver's to one connection, regardless of its subscriptions. */
  sendTo(to: Connection, fields: OwnMessageFields, body: readonly unknown[]): void {
    const { facet } = this.registry.grants.fromDriver(to);
    this.voice.post(to.driverInbox, body, { ...fields, serial: to.serials.next() }, facet);
  }

  /** Shows monitors a message of the driver's whose receiver has yet to connect; `sendShown` sends it then. */
  showEarly(fields: OwnMessageFields, body: readonly unknown[]): void {
    this.voice.show(body, { ...fields, serial: this.voice.nextBroadcastSerial() });
  }

  /** Like `sendTo`, for a message that monitors have seen already. */
  sendShown(to: Connection, fields: OwnMessageFields, body: readonly unknown[]): void {
    const { facet } = this.registry.grants.fromDriver(to);
    this.voice.postUnseen(to.driverInbox, body, { ...fields, serial: to.serials.next() }, facet);
  }

  /** Sends a signal of the driver to every subscriber. */
  broadcast(member: string, signature: string, body: readonly unknown[]): void {
    this.voice.broadcast(member, signature, body);
  }

  /**
   * Answers a call through its reply handle. A call with NO_REPLY_EXPECTED has none: errors and results go to the
   * caller's inbox all the same, since the reference daemon omits only empty returns.
   */
  reply(
    to: Connection,
    replyHandle: Handle | undefined,
    replySerial: number,
    signature: string,
    body: readonly unknown[],
    errorName?: string,
    descriptors: readonly number[] = [],
  ): void {
    const handle = replyHandle ?? (signature === '' ? undefined : to.driverInbox);
    if (handle === undefined) {
      for (const fd of descriptors) this.settings.closeDescriptor(fd);
      return;
    }
    const attached =
      descriptors.length === 0
        ? null
        : new DescriptorSet(descriptors, this.settings.closeDescriptor);
    this.voice.post(
      handle,
      body,
      {
        type: errorName === undefined ? MessageType.MethodReturn : MessageType.Error,
        flags: MessageFlag.NoReplyExpected,
        serial: to.serials.next(),
        replySerial,
        signature,
        errorName,
        destination: to.uniqueName,
        unixFds: attached?.count,
      },
      to.isActive ? this.registry.grants.fromDriver(to).replyFacet : null,
      attached,
      replyHandle !== undefined,
    );
    attached?.drop();
  }

  /**
   * Turns a connection into a monitor: it leaves the bus and from now on receives at the node behind `capture`. Its
   * names end first, the unique name before all others, while its match rules still apply (the reference daemon's
   * `bus/connection.c`).
   */
  becomeMonitor(
    connection: Connection,
    capture: DirectoryHandle,
    rules: readonly MatchRule[],
  ): void {
    const { registry } = this;
    this.announceDeparture(connection);
    for (const name of registry.names.joinedNamesOf(connection)) this.takeName(name, connection);
    connection.isMonitor = true;
    this.voice.instruct(connection.driverInbox, encode(Control.BecomeMonitor, {}));
    this.settleShims();
    registry.run();
    registry.watch(capture, rules, connection);
  }

  /** Shows monitors a message that a connection in another process has sent. */
  showFrom(connection: Connection, bytes: Uint8Array): void {
    if (this.registry.monitors.count === 0) return;
    this.voice.showFrom(connection, bytes);
  }

  /** Shows monitors a message from before the connection had its name, with its present name as the sender. */
  showFirst(connection: Connection, message: DecodedMessage): void {
    if (!this.registry.isObserved) return;
    const { uniqueName: sender } = connection;
    const bytes = encodeMessage({ ...message, sender }, message.body, message.littleEndian);
    this.voice.showFrom(connection, bytes);
  }

  /** Instructs a connection's shim to close it. */
  disconnect(connection: Connection, reason: string): void {
    this.peer.send(
      connection.driverInbox,
      controlMessage(this.control, Control.Disconnect, { reason }),
    );
  }

  /** A handle for messages to an unowned name: they wait for a service of ours, or go to the other bus. */
  private parkingFor(name: string, sender: Connection): Handle | undefined {
    const { activator, attached } = this.settings;
    const here =
      attached?.startsThere(name) === true ? undefined : activator.parkingFor(name, sender);
    return here ?? attached?.gateFor(name, sender);
  }

  private received(entry: Arrival): void {
    if (entry.node === this.door?.node) return this.door.take(entry);
    const connection = entry.node.context!; // each node but the door's is some connection's (admit)
    const first = entry.bytes[0];
    const isDBus = first === 0x6c || first === 0x42;
    if (!isDBus) this.receivedControl(connection, entry);
    else this.receivedMessage(connection, entry);
    const isElsewhere = connection.process !== 0 && !connection.isNative;
    if (isDBus && isElsewhere) this.voice.instruct(connection.driverInbox, DEALT);
  }

  /** A message of a native peer, which has not been checked by any shim. */
  private receivedMessage(connection: Connection, entry: Arrival): void {
    const fault = connection.isNative ? faultOf(connection, entry) : undefined;
    try {
      if (fault === undefined) return this.receivedCall(connection, entry);
    } finally {
      entry.descriptors?.drop();
    }
    this.peer.releaseAll(entry.handles.filter(({ live }) => live));
    this.disconnect(connection, `it sent the bus an invalid message: ${fault}`);
  }

  private receivedCall(connection: Connection, entry: Arrival): void {
    const message = decodeMessage(entry.bytes);
    const isCall = message.type === MessageType.MethodCall;
    const others = [...entry.handles];
    const reply = wantsReply(message) ? others.pop() : undefined;
    /* a method of the bus takes one handle at most, and a signal none */
    const attached = isCall ? others.shift() : undefined;
    if (others.length > 0) this.peer.releaseAll(others.filter(({ live }) => live));
    if (!connection.isActive && !isHello(message)) {
      if (attached?.live === true) this.peer.release(attached);
      return refuseUnregistered(this, connection, message, reply);
    }
    const isBroadcast = message.type === MessageType.Signal && message.destination === undefined;
    if (connection.isNative && !isBroadcast && this.denies(connection, entry, message, reply)) {
      if (attached?.live === true) this.peer.release(attached);
      return;
    }
    if (message.type === MessageType.Signal) {
      if (isBroadcast) return this.passOn(connection, message);
      this.settings.activator.signalReceived(connection, message);
      if (connection.process !== 0 && message.member === 'ActivationFailure') {
        this.showFrom(connection, entry.bytes);
      }
    }
    const fds = entry.descriptors?.fds;
    if (isCall && !dispatch(this, connection, message, attached, reply, fds)) return;
    /* eavesdroppers see a call after its answer, and no call that was refused (`bus/dispatch.c`) */
    if (this.registry.subscriptions.hasEavesdroppers) {
      const heard = encodeMessage(
        { ...message, sender: connection.uniqueName },
        message.body,
        message.littleEndian,
      );
      this.voice.letOverhear(connection, heard);
    }
  }

  /**
   * Whether the policy denies a native peer's message to the driver; if so, the peer gets the error. Clients on a
   * socket are checked by their shim.
   */
  private denies(
    connection: Connection,
    { bytes }: Arrival,
    { serial }: DecodedMessage,
    reply: Handle | undefined,
  ): boolean {
    const facet = connection.isActive ? this.registry.grants.toDriver(connection) : null;
    if (facet === null) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    scanned.scan(bytes, view, 0, bytes.length);
    if (facet.check(scanned)) return false;
    const why = reportDenial(this.settings, connection, facet, scanned);
    this.reply(connection, reply, serial, 's', [why], ErrorName.AccessDenied);
    return true;
  }

  /** A native peer's broadcast: the driver passes it on, because the peer does not know the subscriptions. */
  private passOn(connection: Connection, signal: DecodedMessage): void {
    const { body, littleEndian } = signal;
    const bytes = encodeMessage({ ...signal, sender: connection.uniqueName }, body, littleEndian);
    this.voice.showFrom(connection, bytes);
    const message = this.voice.broadcastFrom(connection, bytes);
    this.settings.attached?.emitted(connection, message);
  }

  private receivedControl(connection: Connection, entry: Arrival): void {
    entry.descriptors?.drop();
    const message = readControl('driver', entry, !connection.isNative);
    const [node] = entry.handles;
    if (
      message?.type === 'NameNode' &&
      node !== undefined &&
      this.awaitsNode(connection, message.name)
    ) {
      return this.keepNameNode(message.name, connection, node);
    }
    if (message?.type === 'Denied') noteReportedDenial(this, connection, message);
    this.peer.releaseAll(entry.handles.filter(({ live }) => live));
  }

  private awaitsNode(connection: Connection, name: string): boolean {
    const isOwner = this.registry.names.queuedOwners(name).includes(connection);
    return isOwner && !connection.nameHandles.has(name);
  }

  /** The registry holds the handles to name nodes, so it is notified when the nodes end. */
  keepNameNode(name: string, connection: Connection, handle: Handle): void {
    this.registry.fileName(name, connection, this.peer.copyHandle(handle, this.registry.peer));
    this.peer.release(handle);
  }

  private connectionGone(connection: Connection): void {
    this.connections.delete(connection);
    const { pidFd } = connection.credentials;
    if (connection.process !== 0 && pidFd !== undefined) this.settings.closeDescriptor(pidFd);
    this.peer.release(connection.driverNode);
    this.registry.peer.release(connection.registryNode);
    if (connection.isNative) connection.payer?.close();
    this.settings.activator.connectionGone(connection);
    this.settings.attached?.connectionGone(connection);
    if (!connection.isActive || connection.isMonitor) return;
    this.forgetUser(connection);
    this.announceDeparture(connection);
  }

  /** A monitor counts as a connection until it leaves. */
  private forgetUser({ credentials: { uid } }: Connection): void {
    if (uid !== undefined) this.perUser.set(uid, this.perUser.get(uid)! - 1);
  }

  private announceDeparture(connection: Connection): void {
    const { uniqueName: name } = connection;
    this.signalTo(connection, 'NameLost', [name]);
    this.nameOwnerChanged(name, name, '');
  }
}

/** Bounds the wait for a native peer to release the node of a name that it has lost: it must not hold up the bus. */
const WITHDRAWAL_MAX_MS = 500;

const DEALT = encode(Control.Dealt, {});
const scanned = new MessageHeader();

/** Why a message that a native peer has sent to its own node here is refused; undefined: it is valid. */
function faultOf(connection: Connection, entry: Arrival): string | undefined {
  const { bytes, origin, descriptors, ownFrom, handles } = entry;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (scanned.scan(bytes, view, 0, bytes.length) !== 0) {
    return incomingFaultText(IncomingFault.Body);
  }
  const carried = { origin, descriptors, receivedCount: handles.length, ownFrom };
  const fault = checkIncoming(scanned, carried, connection, NODE_OF_SENDER);
  return fault === IncomingFault.None ? undefined : incomingFaultText(fault);
}

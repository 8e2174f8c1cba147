import { Bus1Code, Bus1Error } from './errors.js';
import type { Handle } from './handle.js';
import type { LocalDomain } from './local-domain.js';
import { NewNode, type Message } from './message.js';
import type { Node } from './node.js';
import { Queue, ReceivedType, type Received } from './queue.js';
import type { ResourceUser, Trace } from './quota.js';
import { CLOSED_SINK, type Sink } from './sink.js';

/** How a send ended. Refusals are values here, not exceptions: they happen on the hot path, in normal operation. */
export const SendStatus = {
  Sent: 0,
  /** a handle, or a handle to be copied, that this peer does not hold (EBADRQC) */
  BadHandle: 1,
  /** a receiver's user has no room for what this peer may claim of it (EDQUOT) */
  OverQuota: 2,
  /** the message has descriptors, and the receiver takes none (an extension) */
  NoDescriptors: 3,
} as const;
export type SendStatus = (typeof SendStatus)[keyof typeof SendStatus];

export interface PeerOptions<NodeContext = unknown, HandleContext = unknown> {
  /** the user who is charged for what this peer receives and holds */
  readonly user: ResourceUser;
  /** receives at once instead of queueing (see `Sink`) */
  readonly sink?: Sink<NodeContext, HandleContext>;
  /** takes note that something was queued; only for peers without a sink of their own */
  readonly onArrival?: () => void;
}

/** A node, and the first handle to it. */
export interface NewChannel<NodeContext, HandleContext> {
  readonly node: Node<NodeContext>;
  readonly handle: Handle<HandleContext>;
}

/**
 * An independent member of a domain: owner of nodes and handles, with one queue in which everything that
 * arrives for it stands in the order of the transactions that brought it (bus1.7).
 *
 * Objects are addressed as objects here: holding a `Handle` of this peer is holding the capability. `PeerById` is the
 * same with the numbers of the character device.
 *
 * `NodeContext` and `HandleContext` are the contexts of its nodes and handles. To other peers it is a `Peer` without
 * these types.
 */
export class Peer<NodeContext = unknown, HandleContext = unknown> {
  readonly domain: LocalDomain;
  readonly user: ResourceUser;
  /** where arrivals go: a sink handed in, or the queue that `receive` reads */
  sink: Sink<NodeContext, HandleContext>;
  readonly queue: Queue<NodeContext, HandleContext> | null;
  live = true;
  /** set by the sink's owner while too much waits in the sink: senders get OverQuota (`refuses`) */
  isFull = false;
  /** false: messages with descriptors are refused, instead of arriving without them */
  takesDescriptors = true;
  /** It stands for another process: its nodes are proxies, and its sink has a `reserve`. */
  isProxy = false;

  firstNode: Node | null = null;
  firstHandle: Handle | null = null;

  private lastTrace: Trace | null = null;
  private readonly traces = new Map<ResourceUser, Trace>();
  private idCounter = 0;

  /** Called by `LocalDomain.openPeer`. */
  constructor(domain: LocalDomain, options: PeerOptions<NodeContext, HandleContext>) {
    this.domain = domain;
    this.user = options.user;
    this.queue =
      options.sink === undefined ? new Queue<NodeContext, HandleContext>(options.onArrival) : null;
    this.sink = options.sink ?? this.queue!;
  }

  /** IDs count 1, 3, 5, … and are never used again: bit 0 says "managed" (bus1.h, BUS1_MANAGED). */
  nextId(): number {
    return this.idCounter++ * 2 + 1;
  }

  /** A new node of this peer, and the first handle to it, which `to` holds (TRANSFER with CREATE). */
  createNode(): NewChannel<NodeContext, HandleContext>;
  createNode<OfHolder>(
    to: Peer<unknown, OfHolder>,
    oneShot?: boolean,
  ): NewChannel<NodeContext, OfHolder>;
  createNode(to: Peer = this, oneShot = false): NewChannel<NodeContext, unknown> {
    this.mustLive(to);
    this.domain.begin();
    const node = this.domain.makeNode<NodeContext>(this, oneShot);
    const handle = this.domain.makeHandle(to, node);
    this.domain.commit();
    return { node, handle };
  }

  /**
   * Gives `to` a handle of its own to the node behind `handle` (TRANSFER). If that node is gone already, `to` is
   * notified at once.
   */
  copyHandle(handle: Handle): Handle<HandleContext>;
  copyHandle<OfHolder>(handle: Handle, to: Peer<unknown, OfHolder>): Handle<OfHolder>;
  copyHandle(handle: Handle, to: Peer = this): Handle {
    this.mustLive(to);
    this.mustHold(handle);
    this.domain.begin();
    const copy = this.domain.makeHandle(to, handle.node);
    if (!handle.node.live) this.domain.tellGone(copy);
    this.domain.commit();
    return copy;
  }

  /**
   * Puts `message` on the node behind `handle`: one transaction. Sending to a node that is gone succeeds and is never
   * received. Through the handle of a one-shot node it can be done once: the handle is consumed. The receiver is
   * charged on behalf of `payer`, for whom this peer may send.
   */
  send(handle: Handle, message: Message<unknown, NodeContext>, payer: Peer = this): SendStatus {
    this.domain.mustBeIdle();
    if (!handle.live || handle.owner !== this) return SendStatus.BadHandle;
    if (!this.holdsTransfers(message)) return SendStatus.BadHandle;
    const node = handle.node;
    const receiver = node.owner;
    const trace = payer.traceOf(receiver.user);
    const objects = this.objectsOf(message);
    if (node.live) {
      if (receiver.isFull && receiver.refuses(message.firstByte, trace, message.lengthBytes)) {
        return SendStatus.OverQuota;
      }
      const descriptors = descriptorsOf(message);
      if (descriptors > 0 && !receiver.takesDescriptors) return SendStatus.NoDescriptors;
      if (!receiver.hasRoom(message, objects - 1)) return refusedBy(receiver);
      if (!trace.charge(objects, message.lengthBytes, descriptors)) return refusedBy(receiver);
    }
    this.domain.begin();
    this.domain.createFor(message, this);
    if (node.live) this.domain.deliver(node, message, trace);
    else this.domain.abandonNewNode(message);
    if (node.oneShot) this.domain.consume(node, handle);
    this.domain.commit();
    return SendStatus.Sent;
  }

  /**
   * Puts `message` on the nodes behind the first `count` handles: one transaction, all or nothing. The same handle
   * twice means the message twice, except for a one-shot node, which takes one message however often it is named.
   * The receivers are charged on behalf of `payer`, for whom this peer may send.
   */
  multicast(
    handles: readonly Handle[],
    count: number,
    message: Message<unknown, NodeContext>,
    payer: Peer = this,
  ): SendStatus {
    this.domain.mustBeIdle();
    if (!this.live) return SendStatus.BadHandle;
    for (let i = 0; i < count; i++) {
      const handle = handles[i];
      if (!handle.live || handle.owner !== this) return SendStatus.BadHandle;
    }
    if (!this.holdsTransfers(message)) return SendStatus.BadHandle;
    const charged = payer.chargeAll(handles, count, message);
    if (charged !== SendStatus.Sent) return charged;
    if (count > 1) message.gather();
    this.domain.begin();
    this.domain.createFor(message, this);
    for (let i = 0; i < count; i++) {
      if (!isReceived(handles, i)) continue;
      const node = handles[i].node;
      this.domain.deliver(node, message, payer.traceOf(node.owner.user));
    }
    this.consumeOneShots(handles, count);
    this.domain.abandonNewNode(message);
    this.domain.commit();
    return SendStatus.Sent;
  }

  /** Releases nodes and handles of this peer in one transaction: nodes first. Dead objects are skipped. */
  release(...objects: readonly (Node | Handle)[]): void {
    this.releaseAll(objects);
  }

  /** The same, for a list whose length others determine: there is no room on the stack for as many arguments. */
  releaseAll(objects: readonly (Node | Handle)[]): void {
    this.mustOwn(objects);
    this.domain.begin();
    for (const object of objects) if (!isHandle(object)) this.domain.endNode(object);
    for (const object of objects) if (!isHandle(object)) this.domain.discardWaiting(object);
    for (const object of objects) {
      if (isHandle(object) && object.live) this.domain.endHandle(object);
    }
    this.domain.commit();
  }

  /**
   * Releases nodes of this peer as `release` does, but loses nothing (an extension): what waits for them stays, and
   * what was sent before its sender's process had the NODE_RELEASE still arrives. When nothing can come any more the
   * owner gets HANDLE_RELEASE: in one process at once.
   */
  drain(...nodes: readonly Node[]): void {
    this.drainAll(nodes);
  }

  /** The same, for a list whose length others determine. */
  drainAll(nodes: readonly Node[]): void {
    this.mustOwn(nodes);
    this.domain.begin();
    for (const node of nodes) this.domain.drainNode(node);
    this.domain.commit();
  }

  /** The oldest entry of the queue, which stays queued. Undefined when there is none (EAGAIN). */
  peek(): Received<NodeContext, HandleContext> | undefined {
    return this.queue?.first();
  }

  /** Takes the oldest entry out of the queue: its charge is given back, its handles are the receiver's. */
  receive(): Received<NodeContext, HandleContext> | undefined {
    const entry = this.queue?.first();
    if (entry === undefined) return undefined;
    this.queue!.shift();
    if (entry.type === ReceivedType.User) {
      entry.trace.discharge(1, entry.bytes.length, entry.descriptors?.count ?? 0);
    } else if (entry.type === ReceivedType.NodeRelease) {
      this.domain.settleNodeRelease(entry.handle);
    } else {
      this.domain.settleHandleRelease(entry.node);
    }
    return entry;
  }

  /** Whether this peer is full, for a message that begins with this byte (see `Sink.takesWhenFull`). */
  refuses(firstByte: number, trace: Trace | null, lengthBytes: number): boolean {
    return this.isFull && this.sink.takesWhenFull?.(firstByte, trace, lengthBytes) !== true;
  }

  /** Whether its sink can take `message`, which carries `handles` handles. */
  // hot
  hasRoom(message: Message, handles: number): boolean {
    return !this.isProxy || this.sink.reserve!(message, handles);
  }

  /** True when `receive` would return something. */
  get readable(): boolean {
    return this.queue !== null && this.queue.length > 0;
  }

  /** Releases everything: first all nodes in one transaction, then all handles in another. */
  close(): void {
    if (!this.live) return;
    this.domain.closePeer(this);
    this.live = false;
    this.sink = CLOSED_SINK;
    for (const trace of this.traces.values()) trace.abandon();
    this.traces.clear();
    this.lastTrace = null;
  }

  /** What this peer has charged to `user`; made on first use. */
  traceOf(user: ResourceUser): Trace {
    const last = this.lastTrace;
    if (last !== null && last.claim.user === user) return last;
    let trace = this.traces.get(user);
    if (trace === undefined) {
      trace = user.claim(this.user.uid).trace();
      this.traces.set(user, trace);
    }
    this.lastTrace = trace;
    return trace;
  }

  private objectsOf(message: Message): number {
    return 1 + message.transferCount + (message.newNode === NewNode.None ? 0 : 1);
  }

  private holdsTransfers(message: Message): boolean {
    for (let i = 0; i < message.transferCount; i++) {
      const handle = message.transfers[i];
      if (!handle.live || handle.owner !== this) return false;
    }
    return true;
  }

  private chargeAll(handles: readonly Handle[], count: number, message: Message): SendStatus {
    const objects = this.objectsOf(message);
    const descriptors = descriptorsOf(message);
    for (let i = 0; i < count; i++) {
      if (!isReceived(handles, i)) continue;
      const receiver = handles[i].node.owner;
      const isTaker = descriptors === 0 || receiver.takesDescriptors;
      const trace = this.traceOf(receiver.user);
      const isRefused =
        receiver.isFull && receiver.refuses(message.firstByte, trace, message.lengthBytes);
      const isPossible = isTaker && !isRefused && receiver.hasRoom(message, objects - 1);
      if (isPossible && trace.charge(objects, message.lengthBytes, descriptors)) {
        continue;
      }
      for (let k = 0; k < i; k++) {
        if (!isReceived(handles, k)) continue;
        const charged = handles[k].node.owner.user;
        this.traceOf(charged).discharge(objects, message.lengthBytes, descriptors);
      }
      return isTaker ? refusedBy(receiver) : SendStatus.NoDescriptors;
    }
    return SendStatus.Sent;
  }

  /** Runs after all deliveries, so that no handle that is still needed is dead, or reused for something else. */
  private consumeOneShots(handles: readonly Handle[], count: number): void {
    for (let i = 0; i < count; i++) {
      const handle = handles[i];
      if (handle.live && handle.node.oneShot) this.domain.consume(handle.node, handle);
    }
  }

  private mustOwn(objects: readonly (Node | Handle)[]): void {
    for (const object of objects) {
      if (object.owner === this) continue;
      throw new Bus1Error(Bus1Code.EBADRQC, 'cannot release an object that another peer owns');
    }
  }

  private mustLive(to: Peer): void {
    if (to.domain !== this.domain) {
      throw new Bus1Error(Bus1Code.EOPNOTSUPP, 'the target peer is in another domain');
    }
    if (!this.live || !to.live) throw new Bus1Error(Bus1Code.EBADF, 'the peer is closed');
  }

  private mustHold(handle: Handle): void {
    if (!handle.live || handle.owner !== this) {
      throw new Bus1Error(Bus1Code.EBADRQC, `this peer holds no handle ${handle.id}`);
    }
  }
}

function refusedBy(receiver: Peer): SendStatus {
  receiver.sink.onRefused?.();
  return SendStatus.OverQuota;
}

function descriptorsOf(message: Message): number {
  return message.descriptors === null ? 0 : message.descriptors.count;
}

/** Whether what a multicast puts on `handles[i]` arrives: the node lives and, if one-shot, was not named before. */
function isReceived(handles: readonly Handle[], i: number): boolean {
  const node = handles[i].node;
  if (!node.live || !node.oneShot) return node.live;
  for (let k = 0; k < i; k++) if (handles[k].node === node) return false;
  return true;
}

function isHandle(object: Node | Handle): object is Handle {
  return 'node' in object;
}

import { Handle } from './handle.js';
import { NewNode, type Message } from './message.js';
import { Node } from './node.js';
import { Peer, type PeerOptions } from './peer.js';
import { ReceivedType, type Received } from './queue.js';
import { Slot, type ResourceUser, type Trace } from './quota.js';
import { emptyList } from './stable-shape.js';

/** Event counts of a domain (first group) and current totals, which return to zero when all peers have left. */
export interface DomainCounters {
  transactions: number;
  messages: number;
  nodeReleases: number;
  handleReleases: number;
  oneShotsMade: number;
  oneShotsConsumed: number;

  peers: number;
  nodes: number;
  handles: number;
}

/** What takes part in transactions on behalf of other processes (`SharedDomain`). */
export interface RemoteParticipant {
  /** The transaction that it takes part in has been committed here. It must not start an operation. */
  publish(): void;
  /** An exception has ended the transaction: half-written entries must not be read. */
  abandon(): void;
}

/** Nodes and handles kept for the next message: at most this many of each. */
const SPARE_MAX = 4096;

/**
 * Peers of one thread. An operation runs from `begin` to `commit` without anything in between, so the order in which
 * operations are called is a total order of transactions: more than the causal order that BUS1 promises, and what a
 * D-Bus bus has always had.
 */
export class LocalDomain {
  readonly counters: DomainCounters = {
    transactions: 0,
    messages: 0,
    nodeReleases: 0,
    handleReleases: 0,
    oneShotsMade: 0,
    oneShotsConsumed: 0,
    peers: 0,
    nodes: 0,
    handles: 0,
  };

  remote: RemoteParticipant | null = null;
  /** set by a sink that took something for another process in this transaction */
  hasRemoteEntries = false;

  private committing = false;
  /** dead one-shot nodes, and handles to them, of peers with a sink: no queue can still refer to those */
  private readonly spareNodes = emptyList<Node<never>>();
  private readonly spareHandles = emptyList<Handle<never>>();

  openPeer<NodeContext, HandleContext>(
    options: PeerOptions<NodeContext, HandleContext>,
  ): Peer<NodeContext, HandleContext> {
    this.counters.peers++;
    return new Peer(this, options);
  }

  begin(): void {
    this.mustBeIdle();
    this.committing = true;
  }

  /** False inside a transaction, and after an exception has left one half done. */
  get isIdle(): boolean {
    return !this.committing;
  }

  /** @throws Error inside a transaction: a sink started an operation, or threw out of an earlier one */
  mustBeIdle(): void {
    if (!this.committing) return;
    throw new Error('an operation was started inside a transaction (by a sink)');
  }

  commit(): void {
    this.committing = false;
    this.counters.transactions++;
    if (!this.hasRemoteEntries) return;
    this.hasRemoteEntries = false;
    this.remote?.publish();
  }

  /**
   * Ends the open transaction, if there is one, after an exception: it is incomplete, but what was done stays done.
   * For a caller that knows whose input caused the exception, and continues without that one.
   */
  abandon(): void {
    if (!this.committing) return;
    this.remote?.abandon();
    this.commit();
  }

  makeNode<Context>(owner: Peer<Context>, oneShot: boolean): Node<Context> {
    const spare = oneShot ? this.spareNodes.pop() : undefined;
    const node: Node<Context> = spare ?? new Node(owner, oneShot);
    node.owner = owner;
    node.live = true;
    node.id = owner.nextId();
    const first = owner.firstNode;
    node.nextOwned = first;
    if (first !== null) first.previousOwned = node;
    owner.firstNode = node;
    this.counters.nodes++;
    if (oneShot) this.counters.oneShotsMade++;
    return node;
  }

  makeHandle<Context>(owner: Peer<unknown, Context>, node: Node): Handle<Context> {
    const spare = node.oneShot ? this.spareHandles.pop() : undefined;
    const handle: Handle<Context> = spare ?? new Handle(owner, node);
    handle.owner = owner;
    handle.node = node;
    handle.live = true;
    handle.id = owner.nextId();
    if (node.live || this.canKeep(handle)) node.link(handle);
    const first = owner.firstHandle;
    handle.nextOwned = first;
    if (first !== null) first.previousOwned = handle;
    owner.firstHandle = handle;
    this.counters.handles++;
    return handle;
  }

  /** Makes the node that `message` asks for, if any; `deliver` gives a handle to it to each receiver. */
  createFor(message: Message, sender: Peer): void {
    message.createdNode = null;
    if (message.newNode === NewNode.None) return;
    const node = this.makeNode(sender, message.newNode === NewNode.OneShot);
    node.context = message.newNodeContext;
    message.createdNode = node;
  }

  /** Delivers a message to one node. Its cost has been charged to `trace`. */
  deliver(node: Node, message: Message, trace: Trace): void {
    const receiver = node.owner;
    let count = 0;
    for (let i = 0; i < message.transferCount; i++) {
      message.received[count++] = this.handOver(message.transfers[i].node, receiver, trace);
    }
    const created = message.createdNode;
    if (created !== null) message.received[count++] = this.handOver(created, receiver, trace);
    message.receivedCount = count;
    this.counters.messages++;
    receiver.sink.accept(node, message, trace);
    for (let i = 0; i < message.transferCount; i++) {
      if (!message.transfers[i].node.live) this.tellGone(message.received[i]);
    }
  }

  /** A node that was made for a message without any receiver ends as if all its handles were released. */
  abandonNewNode(message: Message): void {
    const node = message.createdNode;
    if (node === null || node.handleCount > 0) return;
    this.endUnreachable(node);
    if (!node.live) message.createdNode = null;
  }

  /** Sending through the handle of a one-shot node consumes the handle, and ends the node if it is still live. */
  consume(node: Node, through: Handle): void {
    const isOpen = node.live || node.isDraining;
    if (isOpen) node.unlink(through);
    else through.owner.queue?.purge(through);
    this.forgetHandle(through);
    if (!isOpen) return;
    this.counters.oneShotsConsumed++;
    this.retire(node);
  }

  /** The owner releases a node: every holder of a handle is notified. */
  endNode(node: Node): void {
    if (node.live || node.isDraining) this.retire(node);
  }

  /** Like `endNode`, except for holders that are proxies: they keep their handles until everything has arrived. */
  drainNode(node: Node): void {
    if (!node.live) return;
    node.live = false;
    node.isDraining = true;
    let next: Handle | null;
    for (let handle = node.firstHandle; handle !== null; handle = next) {
      next = handle.nextOfNode;
      if (handle.owner.sink.nodeDraining?.(handle) === true) continue;
      node.unlink(handle);
      this.tellNodeReleased(handle);
    }
    if (node.handleCount === 0) this.endUnreachable(node);
  }

  /** Discards queued messages of a node that its owner has released, even if it is a one-shot node that was used up. */
  discardWaiting(node: Node): void {
    this.discard(node.owner.queue?.purge(node));
  }

  /** A holder releases a handle: with the last one the node ends and its owner is notified. */
  endHandle(handle: Handle): void {
    const node = handle.node;
    handle.owner.queue?.purge(handle);
    const isLinked = node.live || this.canKeep(handle);
    if (isLinked) node.unlink(handle);
    this.forgetHandle(handle);
    if (isLinked && node.handleCount === 0) this.endUnreachable(node);
  }

  /** The owner of `handle` has received its NODE_RELEASE. */
  settleNodeRelease(handle: Handle): void {
    this.forgetHandle(handle);
  }

  /** The owner of `node` has received its HANDLE_RELEASE. */
  settleHandleRelease(node: Node): void {
    this.forgetNode(node);
  }

  closePeer(peer: Peer): void {
    this.begin();
    const waiting = peer.queue?.seal();
    for (let node = peer.firstNode; node !== null; node = peer.firstNode) this.endNode(node);
    this.commit();
    this.begin();
    this.discard(waiting);
    for (let handle = peer.firstHandle; handle !== null; handle = peer.firstHandle) {
      this.endHandle(handle);
    }
    this.commit();
    this.counters.peers--;
  }

  /** Sum of everything that is charged to `users`; zero when all peers have left. */
  chargedTo(users: Iterable<ResourceUser>): number {
    let sum = 0;
    for (const user of users) {
      sum += user.used(Slot.Objects) + user.used(Slot.Bytes) + user.used(Slot.Descriptors);
    }
    return sum;
  }

  /** The node behind `handle` is gone. Its holder keeps a dead handle only while the notification is queued. */
  tellNodeReleased(handle: Handle): void {
    this.counters.nodeReleases++;
    handle.owner.sink.nodeReleased(handle);
    if (handle.owner.queue === null) this.forgetHandle(handle);
  }

  /** Whether the node drains and the holder of this handle may keep it until everything has arrived. */
  private canKeep({ node, owner }: Handle): boolean {
    return node.isDraining && owner.sink.nodeDraining !== undefined;
  }

  /** Notifies the holder of a handle that arrived after its node was released. */
  tellGone(handle: Handle): void {
    if (this.canKeep(handle) && handle.owner.sink.nodeDraining?.(handle) === true) return;
    this.tellNodeReleased(handle);
  }

  private handOver(node: Node, receiver: Peer, trace: Trace): Handle {
    const handle = this.makeHandle(receiver, node);
    handle.charge = trace;
    return handle;
  }

  /**
   * Ends a node: it takes no more messages, and its handles are dead (with a queue: once their holder was notified).
   */
  private retire(node: Node): void {
    node.live = false;
    node.isDraining = false;
    let stillNamed = false;
    for (let handle = node.firstHandle; handle !== null; handle = node.firstHandle) {
      node.unlink(handle);
      if (handle.owner.queue !== null) stillNamed = true;
      this.tellNodeReleased(handle);
    }
    this.forgetNode(node);
    if (!stillNamed) this.recycle(node);
  }

  private endUnreachable(node: Node): void {
    this.counters.handleReleases++;
    node.owner.sink.handleReleased(node);
    if (node.owner.queue !== null) return;
    this.forgetNode(node);
    this.recycle(node);
  }

  private forgetNode(node: Node): void {
    node.live = false;
    node.isDraining = false;
    const { previousOwned, nextOwned } = node;
    if (previousOwned === null) node.owner.firstNode = nextOwned;
    else previousOwned.nextOwned = nextOwned;
    if (nextOwned !== null) nextOwned.previousOwned = previousOwned;
    node.previousOwned = null;
    node.nextOwned = null;
    this.counters.nodes--;
  }

  /** Keeps a dead one-shot node for later, unless a queue, its owner's or a handle owner's, still names it. */
  private recycle(node: Node): void {
    if (!node.oneShot || node.owner.queue !== null) return;
    node.forgetContext();
    if (this.spareNodes.length < SPARE_MAX) this.spareNodes.push(node);
  }

  private forgetHandle(handle: Handle): void {
    handle.live = false;
    const { previousOwned, nextOwned } = handle;
    if (previousOwned === null) handle.owner.firstHandle = nextOwned;
    else previousOwned.nextOwned = nextOwned;
    if (nextOwned !== null) nextOwned.previousOwned = previousOwned;
    handle.previousOwned = null;
    handle.nextOwned = null;
    this.counters.handles--;
    if (handle.charge !== null) handle.charge.discharge(1, 0, 0);
    handle.charge = null;
    if (!handle.node.oneShot || handle.owner.queue !== null) return;
    handle.forgetContext();
    if (this.spareHandles.length < SPARE_MAX) this.spareHandles.push(handle);
  }

  /** Drops messages that will not be received, and releases what they carry. */
  private discard(entries: readonly Received[] | undefined): void {
    if (entries === undefined) return;
    for (const entry of entries) {
      if (entry.type !== ReceivedType.User) continue;
      for (const handle of entry.handles) if (handle.live) this.endHandle(handle);
      entry.trace.discharge(1, entry.bytes.length, entry.descriptors?.count ?? 0);
      entry.descriptors?.drop();
    }
  }
}

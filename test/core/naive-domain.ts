import { NewNode } from '#core/index.js';

/** A second, slow implementation of a domain: sets and filters, nothing linked, nothing used again. */

export interface NaivePeer {
  readonly name: string;
  readonly hasQueue: boolean;
  open: boolean;
  /** what waits, or for a peer with a sink what the operation has brought */
  arrivals: NaiveArrival[];
}

export interface NaiveNode {
  readonly owner: NaivePeer;
  readonly oneShot: boolean;
  open: boolean;
}

export interface NaiveHandle {
  readonly holder: NaivePeer;
  readonly node: NaiveNode;
}

export type NaiveArrival =
  | {
      readonly what: 'USER';
      readonly node: NaiveNode;
      readonly label: number;
      readonly handles: readonly NaiveHandle[];
    }
  | { readonly what: 'NODE_RELEASE'; readonly handle: NaiveHandle }
  | { readonly what: 'HANDLE_RELEASE'; readonly node: NaiveNode };

export interface NaiveMessage {
  readonly label: number;
  readonly transfers: readonly NaiveHandle[];
  readonly newNode: NewNode;
}

export class NaiveDomain {
  readonly peers: NaivePeer[] = [];
  /** in order of creation; what is gone is taken out */
  readonly nodes = new Set<NaiveNode>();
  readonly handles = new Set<NaiveHandle>();

  openPeer(name: string, hasQueue: boolean): NaivePeer {
    const peer = { name, hasQueue, open: true, arrivals: [] };
    this.peers.push(peer);
    return peer;
  }

  createNode(owner: NaivePeer, to: NaivePeer, oneShot: boolean) {
    const node = this.makeNode(owner, oneShot);
    return { node, handle: this.makeHandle(to, node) };
  }

  copyHandle({ node }: NaiveHandle, to: NaivePeer): NaiveHandle {
    const copy = this.makeHandle(to, node);
    if (!node.open) this.tellNodeReleased(copy);
    return copy;
  }

  /** Returns the new node that the message asked for. */
  multicast(
    sender: NaivePeer,
    through: readonly NaiveHandle[],
    message: NaiveMessage,
  ): NaiveNode | null {
    const isOneShot = message.newNode === NewNode.OneShot;
    const created = message.newNode === NewNode.None ? null : this.makeNode(sender, isOneShot);
    const usedUp = new Set<NaiveNode>();
    for (const { node } of through) {
      if (!node.open || usedUp.has(node)) continue;
      if (node.oneShot) usedUp.add(node);
      this.deliver(node, message, created);
    }
    for (const handle of through) {
      if (!handle.node.oneShot || !this.handles.has(handle)) continue;
      this.forget(handle);
      if (handle.node.open) this.endNode(handle.node);
    }
    if (created !== null && this.handlesOf(created).length === 0) this.endUnreachable(created);
    return created;
  }

  release(nodes: readonly NaiveNode[], handles: readonly NaiveHandle[]): void {
    for (const node of nodes) if (node.open) this.endNode(node);
    for (const node of nodes) {
      const isForNode = (arrival: NaiveArrival) =>
        arrival.what !== 'NODE_RELEASE' && arrival.node === node;
      const discarded = node.owner.arrivals.filter(isForNode);
      if (!node.owner.hasQueue) continue;
      node.owner.arrivals = node.owner.arrivals.filter((arrival) => !isForNode(arrival));
      this.discard(discarded);
    }
    for (const handle of handles) this.endHandle(handle);
  }

  receive(peer: NaivePeer): NaiveArrival | undefined {
    const arrival = peer.arrivals.shift();
    if (arrival?.what === 'NODE_RELEASE') this.handles.delete(arrival.handle);
    if (arrival?.what === 'HANDLE_RELEASE') this.forgetNode(arrival.node);
    return arrival;
  }

  close(peer: NaivePeer): void {
    const waiting = peer.hasQueue ? peer.arrivals.splice(0) : [];
    if (peer.hasQueue) peer.open = false;
    for (const node of newestFirst(this.nodes)) if (node.owner === peer) this.endNode(node);
    this.discard(waiting);
    for (const handle of newestFirst(this.handles))
      if (handle.holder === peer) this.endHandle(handle);
    peer.open = false;
  }

  /** Handles that `peer` can use: those that did not arrive yet are not among them. */
  heldBy(peer: NaivePeer): NaiveHandle[] {
    const waiting = new Set(
      peer.arrivals.flatMap((arrival) => (arrival.what === 'USER' ? arrival.handles : [])),
    );
    return [...this.handles].filter((handle) => handle.holder === peer && !waiting.has(handle));
  }

  nodesOf(peer: NaivePeer): NaiveNode[] {
    return [...this.nodes].filter((node) => node.owner === peer);
  }

  handlesOf(node: NaiveNode): NaiveHandle[] {
    return newestFirst(this.handles).filter((handle) => handle.node === node);
  }

  private makeNode(owner: NaivePeer, oneShot: boolean): NaiveNode {
    const node = { owner, oneShot, open: true };
    this.nodes.add(node);
    return node;
  }

  private makeHandle(holder: NaivePeer, node: NaiveNode): NaiveHandle {
    const handle = { holder, node };
    this.handles.add(handle);
    return handle;
  }

  private deliver(node: NaiveNode, message: NaiveMessage, created: NaiveNode | null): void {
    const carried = message.transfers.map((transfer) => transfer.node);
    if (created !== null) carried.push(created);
    const handles = carried.map((target) => this.makeHandle(node.owner, target));
    this.arrive(node.owner, { what: 'USER', node, label: message.label, handles });
    for (const handle of handles) if (!handle.node.open) this.tellNodeReleased(handle);
  }

  private arrive(peer: NaivePeer, arrival: NaiveArrival): void {
    if (peer.open) peer.arrivals.push(arrival);
  }

  private tellNodeReleased(handle: NaiveHandle): void {
    this.arrive(handle.holder, { what: 'NODE_RELEASE', handle });
    if (!handle.holder.hasQueue) this.handles.delete(handle);
  }

  private endNode(node: NaiveNode): void {
    this.forgetNode(node);
    for (const handle of this.handlesOf(node)) this.tellNodeReleased(handle);
  }

  private endUnreachable(node: NaiveNode): void {
    this.arrive(node.owner, { what: 'HANDLE_RELEASE', node });
    if (!node.owner.hasQueue) this.forgetNode(node);
  }

  private endHandle(handle: NaiveHandle): void {
    if (!this.handles.has(handle)) return;
    this.forget(handle);
    const { node } = handle;
    if (node.open && this.handlesOf(node).length === 0) this.endUnreachable(node);
  }

  /** The handle is gone, and a notification for it that still waits. */
  private forget(handle: NaiveHandle): void {
    this.handles.delete(handle);
    if (!handle.holder.hasQueue) return;
    handle.holder.arrivals = handle.holder.arrivals.filter(
      (arrival) => arrival.what !== 'NODE_RELEASE' || arrival.handle !== handle,
    );
  }

  private forgetNode(node: NaiveNode): void {
    node.open = false;
    this.nodes.delete(node);
  }

  private discard(arrivals: readonly NaiveArrival[]): void {
    for (const arrival of arrivals) {
      if (arrival.what === 'USER') arrival.handles.forEach((handle) => this.endHandle(handle));
    }
  }
}

function newestFirst<T>(set: ReadonlySet<T>): T[] {
  return [...set].toReversed();
}

import type { DescriptorSet } from './descriptors.js';
import type { Handle } from './handle.js';
import type { Message } from './message.js';
import type { Node } from './node.js';
import type { Trace } from './quota.js';
import type { Sink } from './sink.js';

/** The type of what is received (`include/uapi/linux/bus1.h`, BUS1_MESSAGE_TYPE_*). */
export const ReceivedType = { User: 0, NodeRelease: 1, HandleRelease: 2 } as const;
export type ReceivedType = (typeof ReceivedType)[keyof typeof ReceivedType];

/** One entry of a peer's queue: what `receive` returns. */
export type Received<NodeContext = unknown, HandleContext = unknown> =
  | {
      readonly type: typeof ReceivedType.User;
      /** the node it came in on */
      readonly node: Node<NodeContext>;
      readonly bytes: Uint8Array;
      readonly handles: readonly Handle<HandleContext>[];
      /** from this one on, they lead to nodes of the process that sent them */
      readonly ownFrom: number;
      readonly descriptors: DescriptorSet | null;
      readonly trace: Trace;
      /** the process of the domain that sent it, 0 for this one */
      readonly origin: number;
    }
  | { readonly type: typeof ReceivedType.NodeRelease; readonly handle: Handle<HandleContext> }
  | { readonly type: typeof ReceivedType.HandleRelease; readonly node: Node<NodeContext> };

const NOTHING: readonly never[] = [];

/** Void entries are removed when there are more of them than this, and more than entries that wait. */
const VOID_MAX = 64;

/** The ordinary sink: everything waits, in order of commit, until the peer receives it. */
export class Queue<NodeContext, HandleContext> implements Sink<NodeContext, HandleContext> {
  /** null: void, to be skipped when its turn comes */
  private entries: (Received<NodeContext, HandleContext> | null)[] = [];
  /** index of the oldest entry; the ones before it have been received */
  private head = 0;
  /** position of `entries[0]`: nodes and handles know the positions of the entries that are about them */
  private start = 0;
  private voidCount = 0;
  private sealed = false;
  private readonly onArrival: (() => void) | undefined;

  /**
   * `onArrival` is called when an entry was queued; it must not process the entry, only remember that there is one.
   */
  constructor(onArrival?: () => void) {
    this.onArrival = onArrival;
  }

  get length(): number {
    return this.entries.length - this.head - this.voidCount;
  }

  first(): Received<NodeContext, HandleContext> | undefined {
    let entry = this.entries[this.head];
    while (entry === null) {
      this.voidCount--;
      this.advance();
      entry = this.entries[this.head];
    }
    return entry;
  }

  shift(): void {
    const entry = this.first();
    if (entry === undefined) return;
    const object = objectOf(entry);
    /* it is the oldest of those about this object */
    if (object.waiting === null || object.waiting.length === 1) object.waiting = null;
    else object.waiting.shift();
    this.advance();
  }

  private advance(): void {
    this.head++;
    if (this.head * 2 < this.entries.length) return;
    this.entries = this.entries.slice(this.head);
    this.start += this.head;
    this.head = 0;
  }

  accept(
    node: Node<NodeContext>,
    message: Message<unknown, unknown, HandleContext>,
    trace: Trace,
  ): void {
    this.push({
      type: ReceivedType.User,
      node,
      bytes: message.copyBytes(),
      handles: message.received.slice(0, message.receivedCount),
      ownFrom: message.ownFrom,
      descriptors: message.descriptors?.retain() ?? null,
      trace,
      origin: message.origin,
    });
  }

  nodeReleased(handle: Handle<HandleContext>): void {
    this.push({ type: ReceivedType.NodeRelease, handle });
  }

  handleReleased(node: Node<NodeContext>): void {
    this.push({ type: ReceivedType.HandleRelease, node });
  }

  /** Removes entries that are void because `object`, a node or a handle of this peer, was released. */
  purge(object: Node | Handle): readonly Received[] {
    const { waiting } = object;
    if (waiting === null) return NOTHING;
    object.waiting = null;
    const found: Received[] = [];
    for (const position of waiting) {
      const at = position - this.start;
      const entry = this.entries[at];
      if (entry != null) found.push(entry);
      this.entries[at] = null;
    }
    this.voidCount += waiting.length;
    /* a peer that receives nothing must not keep them for ever */
    if (this.voidCount > VOID_MAX && this.voidCount > this.length) this.compact();
    return found;
  }

  private compact(): void {
    for (const entry of this.drain()) this.enter(entry);
  }

  /** Empties the queue. */
  drain(): Received<NodeContext, HandleContext>[] {
    const all = this.entries.slice(this.head).filter((entry) => entry !== null);
    for (const entry of all) objectOf(entry).waiting = null;
    this.entries = [];
    this.head = this.start = this.voidCount = 0;
    return all;
  }

  /** Empties the queue for good: the peer is closing and gets no more notifications. */
  seal(): Received<NodeContext, HandleContext>[] {
    this.sealed = true;
    return this.drain();
  }

  private push(entry: Received<NodeContext, HandleContext>): void {
    if (this.sealed) return;
    this.enter(entry);
    this.onArrival?.();
  }

  private enter(entry: Received<NodeContext, HandleContext>): void {
    const object = objectOf(entry);
    const position = this.start + this.entries.length;
    this.entries.push(entry);
    if (object.waiting === null) object.waiting = [position];
    else object.waiting.push(position);
  }
}

/** What an entry is about: once that is released, the entry is void. */
function objectOf(entry: Received): Node | Handle {
  return entry.type === ReceivedType.NodeRelease ? entry.handle : entry.node;
}

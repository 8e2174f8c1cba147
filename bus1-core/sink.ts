import type { Handle } from './handle.js';
import type { Message } from './message.js';
import type { Node } from './node.js';
import type { Trace } from './quota.js';

/**
 * A receiver that takes what arrives at the very moment of the commit, instead of having it queued: its own store is
 * the BUS1 queue (for a D-Bus connection: the outbox, in wire format). It may not start an operation
 * of the core from within these calls, and must not throw: a transaction cannot be half undone. Follow-up work is done
 * when the operation has returned.
 *
 * One-shot nodes, and handles to them, are used again for later messages once they are dead. A peer with a sink
 * forgets such a node with the `accept` or `handleReleased` that names it, and such a handle with the `send`, `release`
 * or `nodeReleased` that ends it.
 *
 * `NodeContext` and `HandleContext` are the contexts of the nodes and handles of its peer, `Note` is what senders note
 * on messages. The core knows none of them: it calls each sink with nodes and handles of its own peer only.
 */
export interface Sink<NodeContext = unknown, HandleContext = unknown, Note = unknown> {
  /**
   * A message came in on `node`. Bytes must be copied and `message.received` taken before this returns.
   * `trace` was charged one object, the bytes and the descriptors: discharge it when they are gone.
   */
  accept(
    node: Node<NodeContext>,
    message: Message<Note, unknown, HandleContext>,
    trace: Trace,
  ): void;
  /** NODE_RELEASE: the node behind `handle` is gone; the handle is dead from now on. */
  nodeReleased(handle: Handle<HandleContext>): void;
  /** HANDLE_RELEASE: nobody can reach `node` any more; it is dead from now on. */
  handleReleased(node: Node<NodeContext>): void;
  /**
   * The node behind `handle` drains (`Peer.drain`). True: the holder acts for others, who may have sent something that
   * is still to arrive; it has notified them, and releases the handle when all of that has arrived. Without this method
   * the handle is dead, and `nodeReleased` is called.
   */
  nodeDraining?(handle: Handle<HandleContext>): boolean;
  /**
   * Whether a message that begins with this byte (-1: it has none, or it is not known) is taken although the peer is
   * full. `trace` is what its sender has charged to the peer's user; null: the sender is in another process, and the
   * sink judges in `accept`. Default: nothing is taken.
   */
  takesWhenFull?(firstByte: number, trace: Trace | null, lengthBytes: number): boolean;
  /**
   * Whether there is room for what taking `message` needs besides what is charged: rows in a table, memory,
   * descriptors. Asked before the transaction, of a peer that `isProxy`; without room the sender gets OverQuota.
   */
  reserve?(message: Message, handles: number): boolean;
  /** A message was refused: the user of the peer that it was for has no room for it. Outside a transaction. */
  onRefused?(): void;
}

/** The sink of a closed peer, so that a node or handle that still refers to it does not keep its sink in memory. */
export const CLOSED_SINK: Sink = {
  accept() {},
  nodeReleased() {},
  handleReleased() {},
};

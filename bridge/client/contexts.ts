import type { Handle, Message, Node, Peer, Trace } from '#core/index.js';

/**
 * The context of a node of this process (`Node.context`). Both methods run inside a transaction of the core: they must
 * not start an operation, and must not throw.
 */
export interface NodeContext {
  /** A message came in; bytes and handles must be taken now, and `trace` is discharged when they are gone. */
  accept(message: ArrivedMessage, trace: Trace): void;
  /** No handle to the node is left. */
  unreachable(): void;
}

/** The context of a handle that this process holds (`Handle.context`); runs inside a transaction, too. */
export interface HandleContext {
  /** The node is gone, and the handle with it. */
  lost(): void;
}

/** The peer of this process, its nodes and handles, and what arrives there. */
export type OwnPeer = Peer<NodeContext, HandleContext>;
export type OwnNode = Node<NodeContext>;
export type OwnHandle = Handle<HandleContext>;
export type ArrivedMessage = Message<unknown, unknown, HandleContext>;

/** Something that has arrived, to be dealt with outside of transactions, in the order of arrival. */
export interface Arrival {
  /** settles a promise, whose continuations run before any later arrival is dealt with */
  readonly isReply: boolean;
  deal(): void;
}

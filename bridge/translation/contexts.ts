import type { Handle } from '#core/index.js';

import type { Arrival } from './arrival.js';

/** The `context` of a node of a translating peer. Its methods are called after the transaction. */
export interface NodeContext {
  /** A message came in; call `arrival.finish` once it has been processed. */
  arrived(arrival: Arrival): void;
  /** No handle to the node is left. */
  abandoned(): void;
}

/** A handle that a translating peer holds. */
export type HeldHandle = Handle<HandleContext>;

/** The `context` of a handle of a translating peer. */
export interface HandleContext {
  /** The node is gone, and the handle with it. Called inside the transaction: no operation may be started. */
  lost(handle: HeldHandle): void;
}

import type { Handle } from '#core/index.js';

import type { Arrival } from './arrival.js';

/** What stands behind a node of a translating peer (`Node.context`). Called when the transaction is over. */
export interface NodeContext {
  /** A message came in; `arrival.finish` is to be called when it has been dealt with. */
  arrived(arrival: Arrival): void;
  /** No handle to the node is left. */
  abandoned(): void;
}

/** What stands behind a handle of a translating peer (`Handle.context`). */
export interface HandleContext {
  /** The node is gone, and the handle with it. Called inside the transaction: no operation may be started. */
  lost(handle: Handle): void;
}

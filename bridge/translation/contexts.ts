import type { Place } from '#bridge/peer/incoming-check.js';
import type { Arrival } from './arrival.js';

/** The `context` of a node of a translating peer. Its methods are called after the transaction. */
export interface NodeContext {
  /** what a message of a native peer has to be; null: only processes of the bus send here */
  readonly place: Place | null;
  /** A message came in; `arrival` has to be dropped once it has been processed (`Arrival.dropAfter`). */
  arrived(arrival: Arrival): void;
  /** No handle to the node is left. */
  abandoned(): void;
}

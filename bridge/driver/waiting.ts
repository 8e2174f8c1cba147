import type { Connection } from '#bridge/registry/connection.js';
import type { ActivationFailure } from './activation-failure.js';

/** Something that waits for a name to get an owner. It is told exactly once what came of it. */
export interface Waiting {
  /** Who waits; undefined: the bus itself. */
  readonly waiter: Connection | undefined;
  /** The name belongs to `owner` now. */
  deliver(owner: Connection): void;
  fail(failure: ActivationFailure): void;
  /** Whoever waited has left. */
  drop(): void;
}

import type { Connection } from '#bridge/registry/connection.js';
import type { ActivationFailure } from './activation-failure.js';

/** A message or call that waits for a name to get an owner. Exactly one of its methods is called, once. */
export interface Waiting {
  /** The waiting connection; undefined: the bus itself. */
  readonly waiter: Connection | undefined;
  /** The name belongs to `owner` now. */
  deliver(owner: Connection): void;
  fail(failure: ActivationFailure): void;
  /** The waiting connection has left. */
  drop(): void;
}

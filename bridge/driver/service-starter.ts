import type { Handle } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { DecodedMessage } from '#bridge/wire/message.js';

import type { ActivationFailure } from './activation-failure.js';

/** Changes the environment of services that are started from now on. */
export type EnvironmentChange =
  | {
      readonly kind: 'set';
      readonly variables: readonly (readonly [name: string, value: string])[];
    }
  | { readonly kind: 'unset'; readonly names: readonly string[] };

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

/** What starts services on demand, as the driver sees it (bridge/activation). */
export interface ServiceStarter {
  /** in alphabetical order */
  readonly activatableNames: readonly string[];
  /** whether clients may change the environment of services */
  readonly isEnvironmentOpen: boolean;
  isActivatable(name: string): boolean;
  /**
   * Looks on disk for a service file that was installed recently, then calls `done` unless `asker` has left by then.
   * False: nothing has changed on disk, and `done` is not called.
   */
  lookAgain(name: string, asker: Connection, done: () => void): boolean;
  /** Lets `waiting` wait for `name`, and starts its service unless that is under way. */
  request(name: string, waiting: Waiting): void;
  /**
   * A handle of the registry's to a node where messages of `sender` for an unowned name can wait; undefined when no
   * service can be started for it.
   */
  parkingFor(name: string, sender: Connection): Handle | undefined;
  nameAppeared(name: string, owner: Connection): void;
  connectionGone(connection: Connection): void;
  /** A signal was sent to the bus itself. */
  signalReceived(sender: Connection, message: DecodedMessage): void;
  changeEnvironment(change: EnvironmentChange): void;
}

import type { Handle } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { DecodedMessage } from '#bridge/wire/message.js';

import type { Waiting } from './waiting.js';

/** For services that are started from now on. */
export type EnvironmentChange =
  | {
      readonly kind: 'set';
      readonly variables: readonly (readonly [name: string, value: string])[];
    }
  | { readonly kind: 'unset'; readonly names: readonly string[] };

/** What starts services on demand, as the driver sees it (bridge/activation). */
export interface ServiceStarter {
  /** in alphabetical order */
  readonly activatableNames: readonly string[];
  /** whether clients may change the environment of services */
  readonly isEnvironmentOpen: boolean;
  isActivatable(name: string): boolean;
  /**
   * Has the disk looked at for a file that was installed a moment ago, and calls back unless `asker` has left by then.
   * False: nothing has changed there since, and nobody calls back.
   */
  lookAgain(name: string, asker: Connection, done: () => void): boolean;
  /** Has `waiting` wait for `name`, and starts what provides it unless that is under way. */
  request(name: string, waiting: Waiting): void;
  /**
   * Where messages of `sender` for an unowned name can wait; undefined when nothing can be started under it. The handle
   * is the registry's.
   */
  parkingFor(name: string, sender: Connection): Handle | undefined;
  nameAppeared(name: string, owner: Connection): void;
  connectionGone(connection: Connection): void;
  /** A signal was sent to the bus itself. */
  signalReceived(sender: Connection, message: DecodedMessage): void;
  changeEnvironment(change: EnvironmentChange): void;
}

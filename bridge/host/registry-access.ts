import type { Credentials } from '#bridge/registry/connection.js';
import type { Directory } from '#bridge/registry/directory.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import type { HostOptions } from './host-options.js';
import type { Lookup } from './node-contexts.js';
import type { Shim } from './shim.js';

/**
 * How shims reach the registry and the driver, which run in the same thread (`LocalRegistry`) or in another process
 * (`RemoteRegistry`). In the latter case answers come later, and shims wait for them.
 */
export interface RegistryAccess {
  readonly directory: Directory;
  /** Admits a connection that has authenticated. */
  admit(shim: Shim, credentials: Credentials): void;
  /**
   * Asks who owns `name`. Null: the answer comes later; then `shim` continues with this message before any other.
   */
  resolve(shim: Shim, name: string, header: MessageHeader): Lookup | null;
  /** A message has gone to the driver: what the client sends next may have to wait until it has been processed. */
  sentToDriver(shim: Shim): void;
  /**
   * Runs `action` when everything that has happened here so far is known in all hosts, and the driver's messages
   * about it have been delivered to the clients of this host.
   */
  whenTold(action: () => void): void;
  /** A client is on the bus, or has gone. */
  joined(shim: Shim): void;
  left(shim: Shim): void;
  /** Whether this host has room for clients has changed. */
  setAccepting(isAccepting: boolean): void;
  /** Lets registry and driver process what has arrived. */
  run(): void;
  /** Applies all directory changes that were sent before the control message that is being processed. */
  catchUp(): void;
  reload(rules: HostOptions['rules']): void;
}

import type { Credentials } from '#bridge/registry/connection.js';
import type { Directory } from '#bridge/registry/directory.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import type { HostOptions } from './host-options.js';
import type { Lookup } from './node-contexts.js';
import type { Shim } from './shim.js';

/**
 * How the shims of a host come at registry and driver, which live in the same thread (`LocalRegistry`) or in another
 * process (`RemoteRegistry`). There, answers come later, and shims wait for them.
 */
export interface RegistryAccess {
  readonly directory: Directory;
  /** Takes in a connection that has authenticated. */
  admit(shim: Shim, credentials: Credentials): void;
  /**
   * Asks who owns `name`. Null: the answer comes later, and `shim` goes on with this message then, and with no other
   * before.
   */
  resolve(shim: Shim, name: string, header: MessageHeader): Lookup | null;
  /** A message has gone to the driver: what the client sends next may have to wait until that is dealt with. */
  sentToDriver(shim: Shim): void;
  /**
   * Runs `action` when all that has happened here so far is known wherever it matters, and what the driver says about
   * it has been said to the clients of this host.
   */
  whenTold(action: () => void): void;
  /** A client is on the bus, or has gone. */
  joined(shim: Shim): void;
  left(shim: Shim): void;
  /** Whether this host has room for clients has changed. */
  setAccepting(isAccepting: boolean): void;
  /** Lets registry and driver deal with what has arrived. */
  run(): void;
  /** Brings the directory up to what was told before a message of ours that is looked at now. */
  catchUp(): void;
  reload(rules: HostOptions['rules']): void;
}

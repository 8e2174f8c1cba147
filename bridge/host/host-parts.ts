import type { Handle, Message } from '#core/index.js';
import type { AttachedBus } from '#bridge/driver/attached-bus.js';
import type { DriverInterface } from '#bridge/driver/method.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { CookieIssuer } from '#bridge/sasl/cookie.js';
import type { RandomBytes } from '#bridge/sasl/mechanism.js';

import type { Confinement } from '#policy/index.js';

import type { Host } from './host.js';

/** Another bus that this one is attached to, as its host sees it (bridge/uplink). */
export interface OtherBus {
  readonly driverSide: AttachedBus;
  /** what the driver offers to those who import and export names */
  readonly driverInterface: DriverInterface;
  /** Connects; `settled` is called when imported names are known, or when the other bus is not there. */
  start(settled: () => void): void;
  close(): void;
  /** Does what was deferred until no transaction is under way. */
  run(): void;
  /** Other services can be started here from now on. */
  servicesChanged(): void;
  /** A client of this bus has sent a broadcast. */
  emitted(connection: Connection, message: Message): void;
  /** Hello of this connection waits for the other bus. */
  isGreeting(connection: Connection): boolean;
}

/** Lets native peers work with capabilities where a service has object paths (bridge/translation). */
export interface ObjectTranslator {
  /** The handle, the registry's, that `sender` is given instead of the owner's; undefined: the owner's own. */
  handleFor(name: string, sender: Connection, owner: Connection | undefined): Handle | undefined;
  /** Deals with all that has arrived. */
  run(): void;
}

/** Clients that see those names of this bus that they may (bridge/sandbox). */
export interface Sandboxes {
  /** how a socket for a sandbox is asked for */
  readonly driverInterface: DriverInterface;
  /** Serves a client of a Unix socket, which is not the caller's any more, as its roles want it. */
  confine(fd: number, confinement: Confinement, listener: string | undefined): void;
  /** The policy has changed. */
  review(): void;
  close(): void;
}

/**
 * What a host is made of besides plain data, supplied by the code that starts it (bridge/control/data-plane.ts).
 */
export interface HostParts {
  readonly randomBytes: RandomBytes;
  /** absent: DBUS_COOKIE_SHA1 is not on offer */
  readonly cookies?: CookieIssuer;
  /** absent: this bus stands alone */
  attach?(host: Host): OtherBus;
  /** absent: nobody asks for such sockets */
  sandboxes?(host: Host): Sandboxes;
  /** absent: there are no mappings */
  translate?(host: Host): ObjectTranslator;
}

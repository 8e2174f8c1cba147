import type { Handle } from '#core/index.js';
import type { AttachedBus } from '#bridge/driver/attached-bus.js';
import type { DriverInterface } from '#bridge/driver/method.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { SentMessage } from '#bridge/registry/envelope.js';
import type { CookieIssuer } from '#bridge/sasl/cookie.js';
import type { RandomBytes } from '#bridge/sasl/mechanism.js';

import type { Confinement } from '#policy/index.js';

import type { Host } from './host.js';

/** Another bus that this one is attached to, as its host sees it (bridge/uplink). */
export interface OtherBus {
  readonly driverSide: AttachedBus;
  /** the driver's interface for importing and exporting names */
  readonly driverInterface: DriverInterface;
  /** Connects; `settled` is called when imported names are known, or when the other bus cannot be reached. */
  start(settled: () => void): void;
  close(): void;
  /** Does the work that was deferred until no transaction is under way. */
  run(): void;
  /** The set of services that can be started here has changed. */
  servicesChanged(): void;
  /** A client of this bus has sent a broadcast. */
  emitted(connection: Connection, message: SentMessage): void;
  /** Hello of this connection waits for the other bus. */
  isGreeting(connection: Connection): boolean;
}

/** Lets native peers work with capabilities where a service has object paths (bridge/translation). */
export interface ObjectTranslator {
  /** A handle of the registry's that `sender` gets in place of the owner's; undefined: it gets the owner's. */
  handleFor(name: string, sender: Connection, owner: Connection | undefined): Handle | undefined;
  /** Processes everything that has arrived. */
  run(): void;
}

/** Clients that see only the names of this bus that they are allowed to see (bridge/sandbox). */
export interface Sandboxes {
  /** the driver's interface for requesting a socket for a sandbox */
  readonly driverInterface: DriverInterface;
  /** Takes over a Unix socket, and serves its client as the client's roles require. */
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
  /** absent: no client is confined */
  sandboxes?(host: Host): Sandboxes;
  /** absent: there are no mappings */
  translate?(host: Host): ObjectTranslator;
}

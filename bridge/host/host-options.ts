import type { MechanismName } from '#bridge/sasl/mechanism.js';
import type { BusLimits, PolicyRules } from '#policy/index.js';

import type { Host } from './host.js';
import type { HostRequest } from './thread-messages.js';

/** `notice` is dbus-daemon's "security": what a client was refused. */
export type LogLevel = 'debug' | 'info' | 'notice' | 'warn' | 'error';

/** Where the registry is: here, with an authority that listens; or in the process at the other end of a socket. */
export type DomainOptions = { readonly listenFds: readonly number[] } | { readonly fd: number };

/** How a host is set up; plain data. */
export interface HostOptions {
  readonly listenFds: readonly number[];
  /** by listening descriptor: the bytes that its clients have to send first (nonce-tcp) */
  readonly nonces?: ReadonlyMap<number, Uint8Array>;
  /** by listening descriptor: its address, without guid */
  readonly addresses?: ReadonlyMap<number, string>;
  readonly limits: BusLimits;
  readonly rules: PolicyRules;
  readonly guid: string;
  readonly machineId: string;
  /** the user that runs the bus */
  readonly uid: number;
  readonly pid: number;
  readonly mechanisms: readonly MechanismName[];
  readonly allowAnonymous: boolean;
  readonly arenaBytes?: number;
  /** how many hosts accept on the same sockets; absent: this one only */
  readonly hostCount?: number | undefined;
  /** how long a host spins before it sleeps, in µs; absent: as long as spinning pays (`Patience`) */
  readonly lookUs?: number | undefined;
  /** processes that join as native peers or as hosts; absent: none can */
  readonly domain?: DomainOptions | undefined;
}

/** The control plane as a host sees it. */
export interface HostOutput {
  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void;
  ask(request: HostRequest): void;
  /** Called when the host was woken: carries out the commands of the control plane. */
  commands(host: Host): void;
}

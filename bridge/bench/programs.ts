import { fileURLToPath } from 'node:url';
import type { HeapGrowth } from './heap.js';
import type { Measured, Row } from './figures.js';

/*
 * What the load generator and the echo services agree on. Each is a process of its own: `service.js KIND SOCKET`
 * writes "ready" once it can be called; `caller.js KIND SOCKET` reads commands, one a line, and answers each.
 */

/** How a caller calls. */
export const CALLER_KINDS = [
  /** as fast as can be over a D-Bus socket: blocking, with ready-made messages */
  'bus',
  /** the same, on another host than the service's */
  'other-host',
  /** the same messages over a socket to the service, without a bus */
  'raw',
  /** bytes over a socket to the service, without messages */
  'socket',
  /** the native API, blocking */
  'native',
  /** the native API in Node's loop */
  'native-loop',
  'dbus-next',
  /** dbus-next by way of bus1-bridge/dbus-next */
  'dbus-next-native',
] as const;

export type CallerKind = (typeof CALLER_KINDS)[number];

/** How a service answers: the same kinds, and one with the connections that subscribe to signals. */
export const SERVICE_KINDS = [
  'bus',
  'subscribers',
  'raw',
  'socket',
  'native',
  'native-loop',
  'dbus-next',
  'dbus-next-native',
] as const;

export type ServiceKind = (typeof SERVICE_KINDS)[number];

/** Other load beside a conversation. */
export const COMPANION_KINDS = [
  'idle-connections',
  'match-rules',
  /** sends to a service that does not read */
  'flooder',
  /** subscribes to signals and does not read them */
  'deaf-subscriber',
  'busy-loop',
] as const;

export type CompanionKind = (typeof COMPANION_KINDS)[number];

/** A request to a caller. */
export type Command =
  | { readonly kind: 'row'; readonly row: Row; readonly durationMs: number }
  | { readonly kind: 'heap'; readonly calls: number };

export interface Answer {
  readonly measured?: Measured;
  readonly heap?: HeapGrowth;
  readonly error?: string;
}

/** The load generator, once it is connected. */
export interface Caller {
  /** Yields no figures for a row that it cannot do. */
  measure(row: Row, durationMs: number): Measured | Promise<Measured>;
  /** How the bus's heap grows over `calls` calls, for callers that can ask the bus for it. */
  heapGrowth?(calls: number): HeapGrowth;
  close(): void;
}

/** A program of this folder, for Node's command line. */
export function programPath(name: 'caller' | 'service' | 'companion'): string {
  return fileURLToPath(new URL(`../bench/${name}.js`, import.meta.url));
}

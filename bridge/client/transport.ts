import type { Handle, LocalDomain, Maxima, Peer, ResourceUser } from '#core/index.js';
import { SharedDomain } from '#core/shared/index.js';

/** How a process is connected to a bus: as a member of its domain, or over a socket. */
export type TransportKind = 'domain' | 'socket';

/** The process that has sent a message, as reported by the kernel. */
export interface SenderProcess {
  readonly pid: number;
  readonly uid: number;
  /** a process of the bus, which may speak for others */
  readonly isTrusted: boolean;
}

/** Delivers messages to the peer of this process, and takes those that it sends; `SharedDomain` is one. */
export interface Transport {
  /** readable when `dispatch` has something to do */
  readonly fd: number;
  readonly isReady: boolean;
  /** how long a sleep may last at most; -1 without end */
  readonly timeoutMs: number;
  /** A handle to the root node, held by `to`. */
  copyRoot<Context>(to: Peer<unknown, Context>): Handle<Context>;
  awaitReady(timeoutMs: number): boolean;
  /** Takes what has arrived, without waiting; returns how much that was. */
  dispatch(): number;
  /** Whether there is something to take, as far as memory tells. */
  readonly hasArrived: boolean;
  /** Like `dispatch`, for a turn after one that has taken something. */
  catchUp(): number;
  /** The process is about to sleep. True when `dispatch` must be called again first. */
  beforeSleep(): boolean;
  /** Blocks the thread until something was taken, or `timeoutMs` (-1 without end) are over. */
  wait(timeoutMs: number): number;
  flush(isBusy?: boolean): void;
  identityOf(process: number): SenderProcess | undefined;
  /** Where that is not automatic: releases the reply handles of calls from a caller when it leaves the bus. */
  watchCaller?(uniqueName: string): void;
  close(): void;
}

/** What a transport is opened with. */
export interface TransportOptions {
  readonly local: LocalDomain;
  readonly maxima: Maxima;
  readonly lookUs: number | undefined;
  readonly onDiagnostic: (text: string) => void;
  /** makes the owner call `dispatch` soon */
  readonly schedule: () => void;
  readonly user: ResourceUser;
  /** only in the process of an authority: its root node */
  readonly root?: Handle;
}

export type OpenTransport = (options: TransportOptions) => Transport;

/** The transport of the domain whose authority listens at a path, or is at the other end of a socket. */
export function domainAt(pathOrFd: string | number): OpenTransport {
  return (options) => SharedDomain.join(pathOrFd, options);
}

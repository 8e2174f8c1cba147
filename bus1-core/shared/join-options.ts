import type { Handle } from '../handle.js';
import type { LocalDomain } from '../local-domain.js';
import type { Maxima } from '../quota.js';

export interface JoinOptions {
  /** the peers of this process */
  readonly local: LocalDomain;
  /** what each user of this process may have charged to it by peers of other processes */
  readonly maxima: Maxima;
  /** only for the process of the authority: its node is what every other member gets a handle to */
  readonly root?: Handle;
  /** called once with the reason why a channel was closed, or an introduction failed */
  readonly onDiagnostic?: (text: string) => void;
  /**
   * Runs `flush` soon, when something was given back outside `dispatch`; by default a microtask does it. Not needed
   * where `beforeSleep` is called in any case.
   */
  readonly schedule?: (flush: () => void) => void;
  /**
   * Called after each entry that was delivered, before the next is: operations may be started. Returns whether it has
   * led to work, of which each process has a share in a turn (`WORK_MAX`).
   */
  readonly afterEntry?: () => boolean;
  /** how long `wait` spins before it sleeps, in µs; by default for as long as that pays (`Patience`) */
  readonly lookUs?: number | undefined;
}

/** Counters and totals of what happens between this process and others. */
export interface SharedCounters {
  readonly channels: number;
  readonly entriesWaiting: number;
  /** entries written to other processes, and taken from them */
  readonly sent: number;
  readonly delivered: number;
  readonly wakeupsSent: number;
  readonly channelsBroken: number;
}

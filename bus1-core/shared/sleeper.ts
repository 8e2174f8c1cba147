import { FutexResult, FutexWaiters, type Epoll, yieldProcessor } from '../linux/index.js';
import { monotonicNs } from './clock.js';
import type { LinkedChannel } from './linked-channel.js';
import { SleepMode } from './layout.js';
import type { OwnPage } from './page.js';
import type { Patience } from './patience.js';

/**
 * How long a wait sleeps on the bell words, which wakes it sooner than a descriptor does, but not for what happens to
 * sockets: the death of another process, or an introduction. A wait that has lasted this long is in no such hurry.
 */
const BRIEF_NS = 10e6;

/**
 * A spin lets other threads have the processor, and asks for the time, with every so many polls. Polling memory takes
 * some 30 ns and sched_yield(2) ten times that, during which an answer goes unnoticed.
 */
const POLLS_PER_YIELD = 16;

/** Puts the thread to sleep, after announcing to other processes how to wake it. */
export class Sleeper {
  private readonly page: OwnPage;
  private readonly epoll: Epoll;
  private readonly hasWork: () => boolean;
  private readonly patience: Patience;
  private readonly waiters = new FutexWaiters();
  private briefEndNs = -1;

  /** `hasWork`: whether there is something to be delivered. */
  constructor(page: OwnPage, epoll: Epoll, patience: Patience, hasWork: () => boolean) {
    this.page = page;
    this.epoll = epoll;
    this.patience = patience;
    this.hasWork = hasWork;
  }

  /** Announces the sleep, then checks once more for input: a process that writes later sees the announcement. */
  announce(mode: SleepMode): boolean {
    this.page.sleep(mode);
    if (!this.hasWork()) return true;
    this.page.wake();
    return false;
  }

  /** Spins before a sleep: true as soon as there is something to deliver, false when the spin is over. */
  look(): boolean {
    const { patience } = this;
    const startMs = performance.now();
    const endMs = startMs + patience.lookNs / 1e6;
    let nowMs = startMs;
    for (let polls = 1; nowMs < endMs; polls++) {
      if (this.hasWork()) {
        patience.rewarded((performance.now() - startMs) * 1e6);
        return true;
      }
      if (polls % POLLS_PER_YIELD !== 0) continue;
      yieldProcessor();
      nowMs = performance.now();
    }
    patience.sleeping((nowMs - startMs) * 1e6);
    return false;
  }

  /** A wait begins. */
  begin(): void {
    this.briefEndNs = -1;
  }

  /** Whether the wait has lasted less than `BRIEF_NS`. */
  isBrief(nowNs: number): boolean {
    if (this.briefEndNs < 0) this.briefEndNs = nowNs + BRIEF_NS;
    return nowNs < this.briefEndNs;
  }

  /**
   * Sleeps on the bell words of `connections` until woken (perhaps for no reason), until `deadlineNs`, or until the
   * wait is no longer brief. Returns how many events of the epoll instance have to be handled.
   */
  sleepBriefly(connections: readonly LinkedChannel[], deadlineNs: number): number {
    if (!this.addBells(connections)) return this.sleep(deadlineNs - monotonicNs());
    if (!this.announce(SleepMode.Futex)) return 0;
    const result = this.waiters.wait(Math.min(deadlineNs, this.briefEndNs));
    this.page.wake();
    return result === FutexResult.TimedOut ? this.epoll.wait(0) : 0;
  }

  /** Like `sleepBriefly`, but on descriptors, for at most `lengthNs`. */
  sleep(lengthNs: number): number {
    if (!this.announce(SleepMode.Doorbell)) return 0;
    const events = this.epoll.wait(lengthNs === Infinity ? -1 : Math.ceil(lengthNs / 1e6));
    this.page.wake();
    return events;
  }

  /** False when there are too many, or none. */
  private addBells(connections: readonly LinkedChannel[]): boolean {
    this.waiters.begin();
    for (const { channel } of connections) {
      const { bellOfOwn } = channel;
      if (!this.waiters.add(bellOfOwn.bellAddress, bellOfOwn.bell)) return false;
    }
    return connections.length > 0;
  }
}

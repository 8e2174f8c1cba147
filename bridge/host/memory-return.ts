import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { returnFreedMemory } from '#core/linux/index.js';
import type { Arena } from './arena.js';
import type { Deadlines } from './deadlines.js';

/** What makes a burst: so much memory that was used and freed, or so many times that the thread has slept. */
const BURST_BYTES = 4 << 20;
const BURST_SLEEPS = 2000;

/** As long as this without another burst: what comes next finds fresh pages, which cost more than used ones. */
const QUIET_MS = 3000;

/** Another thread of V8 frees buffers after a collection; it has done so by then. */
const SWEEP_MS = 500;

/** Gives the memory that a burst has left behind back to the kernel, once it is over. */
export class MemoryReturn {
  private readonly arena: () => Arena;
  private readonly deadlines: Deadlines;
  private sleeps = 0;
  private seenSleeps = 0;
  private seenBytes = 0;
  private isWaiting = false;

  constructor(arena: () => Arena, deadlines: Deadlines) {
    this.arena = arena;
    this.deadlines = deadlines;
  }

  /** How long the thread may sleep, which it is about to do; -1: for ever. */
  // hot
  sleepMs(): number {
    this.sleeps++;
    if (!this.isWaiting && this.isBurst) this.wait();
    const { deadlines } = this;
    return deadlines.isEmpty ? -1 : deadlines.sleepMs(performance.now());
  }

  private get isBurst(): boolean {
    return (
      this.arena().freedBytes - this.seenBytes > BURST_BYTES ||
      this.sleeps - this.seenSleeps > BURST_SLEEPS
    );
  }

  private wait(): void {
    this.isWaiting = true;
    this.see();
    this.deadlines.add(performance.now() + QUIET_MS, () => this.waited());
  }

  private waited(): void {
    if (this.isBurst) return this.wait();
    this.isWaiting = false;
    this.see();
    collectGarbage();
    this.arena().returnFree();
    this.deadlines.add(performance.now() + SWEEP_MS, returnFreedMemory);
  }

  private see(): void {
    this.seenSleeps = this.sleeps;
    this.seenBytes = this.arena().freedBytes;
  }
}

/**
 * V8 collects what it has no room for, and buffers of messages lie outside of its heap: left alone, they would stay for
 * as long as nothing happens. It takes some milliseconds.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  if (typeof collect === 'function') collect();
}

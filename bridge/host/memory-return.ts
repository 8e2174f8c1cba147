import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { returnFreedMemory } from '#core/linux/index.js';
import type { Arena } from './arena.js';
import type { Deadlines } from './deadlines.js';

/** A burst: this many bytes were used and freed, or the thread has slept this many times. */
const BURST_BYTES = 4 << 20;
const BURST_SLEEPS = 2000;

/** Memory is returned after this long without another burst: later messages need new pages, which cost more. */
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
  private isNoted = false;
  private isWaiting = false;

  constructor(arena: () => Arena, deadlines: Deadlines) {
    this.arena = arena;
    this.deadlines = deadlines;
  }

  /** Called before every sleep of the thread; returns how long it may last; -1: no limit. */
  // hot
  sleepMs(): number {
    this.sleeps++;
    if (!this.isWaiting && this.isBurst) this.wait();
    const { deadlines } = this;
    return deadlines.isEmpty ? -1 : deadlines.sleepMs(performance.now());
  }

  /** Much was done at once that the loop does not count: a reload. */
  noteBurst(): void {
    this.isNoted = true;
  }

  private get isBurst(): boolean {
    return (
      this.isNoted ||
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
    /* a burst may have begun: what has been counted since `wait` belongs to it */
    collectGarbage();
    this.arena().returnFree();
    this.deadlines.add(performance.now() + SWEEP_MS, returnFreedMemory);
  }

  private see(): void {
    this.isNoted = false;
    this.seenSleeps = this.sleeps;
    this.seenBytes = this.arena().freedBytes;
  }
}

/**
 * Keeps V8 from enlarging the memory for objects that have just been made, which never shrinks again. It holds for all
 * threads that are running; V8 sets it back when another one starts.
 */
export function limitYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** Objects that live on are moved together: a page with one of them could not be returned. */
const GC_FLAGS = ['expose-gc', 'compact-on-every-full-gc'];

/**
 * V8 collects garbage only when its heap is full, and buffers of messages lie outside it: in an idle thread they would
 * stay allocated. A collection takes some milliseconds.
 */
export function collectGarbage(): void {
  for (const flag of GC_FLAGS) setFlagsFromString(`--${flag}`);
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  for (const flag of GC_FLAGS) setFlagsFromString(`--no-${flag}`);
}

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { WIDE_ZERO } from '#core/stable-shape.js';
import {
  forgetProgramPages,
  keepFreedMemory,
  returnFreedMemory,
  returnWhenFreed,
} from '#core/linux/index.js';
import type { Arena } from './arena.js';
import type { Deadlines } from './deadlines.js';
import type { LargeBuffers } from './large-buffers.js';

/** A burst: this many bytes were used and freed, or the thread has slept this many times. */
const BURST_BYTES = 4 << 20;
const BURST_SLEEPS = 2000;

/** Memory is returned after this long without another burst: later messages need new pages, which cost more. */
const QUIET_MS = 3000;

/** Another thread of V8 frees buffers after a collection; it has done so by then. */
const SWEEP_MS = 500;

/** Where messages lie. */
interface MessageMemory {
  readonly arena: Arena;
  readonly large: LargeBuffers;
}

/** Gives the memory that a burst has left behind back to the kernel, once it is over. */
export class MemoryReturn {
  private readonly memory: () => MessageMemory;
  private readonly deadlines: Deadlines;
  private sleeps = 0;
  private seenSleeps = 0;
  private seenBytes = WIDE_ZERO;
  private isNoted = false;
  private isWaiting = false;

  constructor(memory: () => MessageMemory, deadlines: Deadlines) {
    this.memory = memory;
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

  /** Gives back what the start of the process has left behind. This does not count as a burst. */
  returnStart(): void {
    this.deadlines.add(performance.now() + SWEEP_MS, () => this.giveBack());
  }

  private get isBurst(): boolean {
    return (
      this.isNoted ||
      this.memory().arena.freedBytes - this.seenBytes > BURST_BYTES ||
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
    this.giveBack();
  }

  private giveBack(): void {
    const { arena, large } = this.memory();
    large.dropSpare();
    returnWhenFreed();
    collectGarbage();
    arena.returnFree();
    this.deadlines.add(performance.now() + SWEEP_MS, () => {
      returnFreedMemory();
      keepFreedMemory();
      forgetProgramPages();
    });
  }

  private see(): void {
    this.isNoted = false;
    this.seenSleeps = this.sleeps;
    this.seenBytes = this.memory().arena.freedBytes;
  }
}

/** Objects that live on are moved together: a page with one of them could not be returned. */
const COMPACTS = 'compact-on-every-full-gc';

/** What V8 does when it has no memory left. Since Node 22 it would keep the pages that another collection frees. */
const LAST_RESORT = { type: 'major', execution: 'sync', flavor: 'last-resort' };
const hasLastResort = Number.parseInt(process.versions.v8, 10) >= 12;

/**
 * V8 collects garbage only when its heap is full, and buffers of messages lie outside it: in an idle thread they would
 * stay allocated. A collection takes some tens of milliseconds.
 */
export function collectGarbage(): void {
  // Flags are those of all threads: taken back here, this one would be missing in another that is about to collect.
  setFlagsFromString('--expose-gc');
  setFlagsFromString(`--${COMPACTS}`);
  const collect: unknown = runInNewContext('globalThis.gc');
  if (typeof collect === 'function') collect(...(hasLastResort ? [LAST_RESORT] : []));
  setFlagsFromString(`--no-${COMPACTS}`);
}

import { yieldProcessor } from '#core/linux/index.js';
import { Patience } from '#core/shared/index.js';

/** After this many turns without a pause Node's loop gets its turn. */
const ROUNDS_MAX = 32;

/**
 * When a process in Node's loop reads its input, and when it goes to sleep: a turn that has found something is
 * followed by another, and a sleep may be preceded by turns that only spin.
 */
export class LoopTurns {
  private readonly turn: () => void;
  private readonly hasArrived: () => boolean;
  private readonly patience: Patience;
  private isScheduled = false;
  private rounds = 0;
  /** when the spin ends, by performance.now(); -1 while there is none */
  private lookEndMs = -1;
  private lookStartMs = 0;

  /**
   * `turn` calls `begin`, reads the input, and calls `end`. `hasArrived`: whether there is input in memory.
   * `lookUs`: see `Patience`.
   */
  constructor(turn: () => void, hasArrived: () => boolean, lookUs: number | undefined) {
    this.turn = turn;
    this.hasArrived = hasArrived;
    this.patience = new Patience(lookUs);
  }

  begin(): void {
    this.isScheduled = false;
  }

  /** The first turn after a sleep, or after a pause: it asks the kernel, too. */
  get isFirst(): boolean {
    return this.rounds === 0 && !this.isLooking;
  }

  private get isLooking(): boolean {
    return this.lookEndMs >= 0;
  }

  /** Ends a turn that has found `found` entries. True when there will be another: the process stays awake. */
  // hot
  end(found: number): boolean {
    if (found > 0) {
      if (this.isLooking) this.patience.rewarded(this.lookedNs);
      this.lookEndMs = -1;
      this.schedule();
      return true;
    }
    this.rounds = 0;
    if (this.looksOn()) {
      this.spinOn();
      return true;
    }
    const lookedNs = this.isLooking ? this.lookedNs : 0;
    this.lookEndMs = -1;
    this.patience.sleeping(lookedNs);
    return false;
  }

  /** Looks once more before a round of Node's loop: that takes microseconds, while an answer would go unnoticed. */
  // hot
  private spinOn(): void {
    yieldProcessor();
    if (this.hasArrived()) return this.schedule();
    this.isScheduled = true;
    setImmediate(this.turn);
  }

  /** Schedules another turn, after the continuations of this turn's replies have run. */
  // hot
  schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    if (++this.rounds < ROUNDS_MAX) return queueMicrotask(this.turn);
    this.rounds = 0;
    setImmediate(this.turn);
  }

  private get lookedNs(): number {
    return (performance.now() - this.lookStartMs) * 1e6;
  }

  // hot
  private looksOn(): boolean {
    const { lookNs } = this.patience;
    if (lookNs === 0) return false;
    const nowMs = performance.now();
    if (!this.isLooking) {
      this.lookStartMs = nowMs;
      this.lookEndMs = nowMs + lookNs / 1e6;
    }
    return nowMs < this.lookEndMs;
  }
}

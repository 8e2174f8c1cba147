import { emptyList } from '#core/stable-shape.js';

/** An action to run at a time of the monotonic clock, unless it is cancelled before. */
export interface Deadline {
  readonly atMs: number;
  readonly action: () => void;
}

/** The timers of a thread that blocks in epoll_wait: few, so a sorted list will do. */
export class Deadlines {
  private readonly sorted = emptyList<Deadline>();

  add(atMs: number, action: () => void): Deadline {
    const deadline = { atMs, action };
    if ((this.sorted.at(-1)?.atMs ?? atMs) <= atMs) {
      this.sorted.push(deadline);
      return deadline;
    }
    const before = this.sorted.findLastIndex((other) => other.atMs <= atMs);
    this.sorted.splice(before + 1, 0, deadline);
    return deadline;
  }

  cancel(deadline: Deadline): void {
    const i = this.sorted.indexOf(deadline);
    if (i >= 0) this.sorted.splice(i, 1);
  }

  get isEmpty(): boolean {
    return this.sorted.length === 0;
  }

  /** The longest time to sleep; -1: no limit. */
  sleepMs(nowMs: number): number {
    const next = this.sorted[0];
    return next === undefined ? -1 : Math.max(0, Math.ceil(next.atMs - nowMs));
  }

  runDue(nowMs: number): void {
    for (
      let next = this.sorted[0];
      next !== undefined && next.atMs <= nowMs;
      next = this.sorted[0]
    ) {
      this.sorted.shift();
      next.action();
    }
  }
}

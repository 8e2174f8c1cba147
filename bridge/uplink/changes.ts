interface Change {
  /** what has to be known, or to have been heard, before it can be told */
  missing: number;
  readonly apply: () => void;
}

/** What has changed on the other bus and is yet to be told on the bridge, in order. */
export class Changes {
  private queue: Change[] = [];
  private settled: (() => void)[] = [];
  private isRunning = false;

  get isSettled(): boolean {
    return this.queue.length === 0;
  }

  /**
   * `apply` is called after everything that was added before, when each of `conditions` has called back; they may do so
   * at once.
   */
  add(apply: () => void, conditions: readonly ((met: () => void) => void)[]): void {
    const change: Change = { missing: conditions.length, apply };
    this.queue.push(change);
    for (const condition of conditions) {
      condition(() => {
        change.missing--;
        this.run();
      });
    }
    this.run();
  }

  /** Calls back when nothing is left to be told; at once if that is so. */
  whenSettled(done: () => void): void {
    if (this.isSettled && !this.isRunning) done();
    else this.settled.push(done);
  }

  /** The other bus is gone. */
  clear(): void {
    this.queue = [];
    this.settled = [];
  }

  private run(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    while (this.queue.length > 0 && this.queue[0].missing === 0) this.queue.shift()!.apply();
    this.isRunning = false;
    if (this.queue.length === 0) for (const done of this.settled.splice(0)) done();
  }
}

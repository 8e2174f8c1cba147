interface Change {
  /** conditions that are still unmet */
  missing: number;
  readonly apply: () => void;
}

/** Changes on the other bus that have yet to be announced on the bridge, in order. */
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

  /** Calls back when no change is left to announce, at once if there is none; or when the other bus is gone. */
  whenSettled(done: () => void): void {
    if (this.isSettled && !this.isRunning) done();
    else this.settled.push(done);
  }

  /** The other bus is gone. */
  clear(): void {
    this.queue = [];
    for (const done of this.settled.splice(0)) done();
  }

  private run(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    while (this.queue[0]?.missing === 0) this.queue.shift()?.apply();
    this.isRunning = false;
    if (this.queue.length === 0) for (const done of this.settled.splice(0)) done();
  }
}

/** Ends one's turn. */
type End = () => void;

/** Tasks that concern one key are done one after the other, each when the one before has ended. */
export class Turns {
  /** the tasks that wait for the one under way */
  private readonly waiting = new Map<string, ((end: End) => void)[]>();

  /** Calls `task` when those before it have ended; it ends by calling what it is given. */
  take(key: string, task: (end: End) => void): void {
    const waiting = this.waiting.get(key);
    if (waiting !== undefined) return void waiting.push(task);
    this.waiting.set(key, []);
    task(() => this.next(key));
  }

  private next(key: string): void {
    const task = this.waiting.get(key)?.shift();
    if (task === undefined) this.waiting.delete(key);
    else task(() => this.next(key));
  }
}

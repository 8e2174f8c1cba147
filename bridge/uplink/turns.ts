/** Ends one's turn. */
type End = () => void;
type Task = (end: End) => void;

/** Tasks that concern one key are done one after the other, each when the one before has ended. */
export class Turns {
  /** the tasks that wait for the one under way */
  private readonly waiting = new Map<string, Task[]>();

  /** Calls `task` when those before it have ended; it ends by calling what it is given. */
  take(key: string, task: Task): void {
    const waiting = this.waiting.get(key);
    if (waiting !== undefined) return void waiting.push(task);
    this.waiting.set(key, []);
    this.run(key, task);
  }

  /** A loop, because many tasks that end at once would exhaust the stack by calling each other. */
  private run(key: string, first: Task): void {
    for (let task: Task | undefined = first; task !== undefined; task = this.next(key)) {
      let isCalled = true;
      let hasEnded = false;
      task(() => {
        hasEnded = true;
        if (!isCalled) this.goOn(key);
      });
      isCalled = false;
      if (!hasEnded) return;
    }
  }

  private goOn(key: string): void {
    const task = this.next(key);
    if (task !== undefined) this.run(key, task);
  }

  /** The next task; undefined: there is none, and the key is free. */
  private next(key: string): Task | undefined {
    const task = this.waiting.get(key)?.shift();
    if (task === undefined) this.waiting.delete(key);
    return task;
  }
}

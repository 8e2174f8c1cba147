/** Called when the configuration has been reread; with the reason if it could not be used. */
export type ReloadDone = (failure: string | undefined) => void;

/** Callers that wait until the control plane has reread the configuration. */
export class ReloadRequests {
  private readonly waiting = new Map<number, ReloadDone>();
  private lastNumber = 0;

  /** Returns the number under which the answer will come. */
  add(done: ReloadDone): number {
    this.waiting.set(++this.lastNumber, done);
    return this.lastNumber;
  }

  answer(number: number, failure: string | undefined): void {
    const done = this.waiting.get(number);
    this.waiting.delete(number);
    done?.(failure);
  }
}

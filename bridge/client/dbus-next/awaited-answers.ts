import type { IncomingCall } from '#bridge/client/incoming-call.js';

/** Below this size a sweep does not pay. */
const SWEEP_MIN = 64;

/** Calls delivered to the program, by what identifies them in its replies: serial and unique name of the caller. */
export class AwaitedAnswers {
  private readonly calls = new Map<string, IncomingCall>();
  private sweepAt = SWEEP_MIN;

  add(call: IncomingCall): void {
    if (this.calls.size >= this.sweepAt) this.sweep();
    this.calls.set(keyOf(call.serial, call.header.sender), call);
  }

  /** The call that was to be answered; an answer to any other call is dropped. */
  take(serial: number | undefined, caller: string | undefined): IncomingCall | undefined {
    const key = keyOf(serial, caller);
    const call = this.calls.get(key);
    this.calls.delete(key);
    return call;
  }

  /** Forgets calls whose callers have left or wait no longer: programs need not answer. */
  private sweep(): void {
    for (const [key, { signal }] of this.calls) if (signal.aborted) this.calls.delete(key);
    this.sweepAt = Math.max(SWEEP_MIN, this.calls.size * 2);
  }
}

function keyOf(serial: number | undefined, caller: string | undefined): string {
  return `${serial} ${caller}`;
}

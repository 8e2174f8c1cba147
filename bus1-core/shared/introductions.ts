import type { ControlSocket } from './control-socket.js';

/**
 * How long everything waits for an introduction, so that effects do not overtake the message that needs it. After that
 * only that message's channel would have to wait, and the message is delivered: what is sent to the new process stays
 * here until the introduction comes.
 */
const HOLD_MS = 200;

/** What this process waits for, for a while, before it goes on without. */
export class Introductions {
  private readonly control: ControlSocket;
  /** when an introduction to each process was asked for, in ms */
  private readonly asked = new Map<number, number>();
  /** since when a grant of each process has been awaited, in ms */
  private readonly ungranted = new Map<number, number>();
  private holding = false;
  /** the oldest that is awaited in this turn */
  private sinceMs = Infinity;

  constructor(control: ControlSocket) {
    this.control = control;
  }

  /** True after `isOverdue` was false in this turn: nothing more is to be delivered. */
  get isHolding(): boolean {
    return this.holding;
  }

  /** Until the first wait ends by itself; -1 when there is none. */
  get timeoutMs(): number {
    if (this.sinceMs === Infinity) return -1;
    return Math.max(0, Math.ceil(this.sinceMs + HOLD_MS - performance.now()));
  }

  beginTurn(): void {
    this.holding = false;
    this.sinceMs = Infinity;
  }

  /** Asks for an introduction to `process`, once. True when it has been waited for long enough. */
  isOverdue(process: number): boolean {
    const since = this.asked.get(process) ?? performance.now();
    if (!this.asked.has(process)) {
      this.asked.set(process, since);
      this.control.send({ kind: 'introduce', peer: process });
    }
    this.holding = this.awaits(since);
    return !this.holding;
  }

  /** Whether a claim has to wait for a grant of `grantor`: for a while, once for all that do so in vain. */
  awaitsGrant(grantor: number): boolean {
    const since = this.ungranted.get(grantor) ?? performance.now();
    this.ungranted.set(grantor, since);
    return this.awaits(since);
  }

  /** Something that `grantor` has granted has come. */
  noteGrant(grantor: number): void {
    if (this.ungranted.size > 0) this.ungranted.delete(grantor);
  }

  forget(process: number): void {
    this.asked.delete(process);
    this.ungranted.delete(process);
  }

  forgetAll(): void {
    this.asked.clear();
  }

  private awaits(since: number): boolean {
    if (performance.now() - since >= HOLD_MS) return false;
    this.sinceMs = Math.min(this.sinceMs, since);
    return true;
  }
}

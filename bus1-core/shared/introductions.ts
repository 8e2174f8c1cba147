import type { ControlSocket } from './control-socket.js';

/**
 * How long everything waits for an introduction, so that effects do not overtake the message that needs it. After that
 * only that message's channel would have to wait, and the message is delivered: what is sent to the new process stays
 * here until the introduction comes.
 */
const HOLD_MS = 200;

/** Processes that this one has asked to be introduced to. */
export class Introductions {
  private readonly control: ControlSocket;
  /** when each was asked for, in ms */
  private readonly asked = new Map<number, number>();
  private holding = false;

  constructor(control: ControlSocket) {
    this.control = control;
  }

  /** True after `isOverdue` was false in this turn. */
  get isHolding(): boolean {
    return this.holding;
  }

  /** Until the first hold ends by itself; -1 when there is none. */
  get timeoutMs(): number {
    if (!this.holding) return -1;
    const oldest = Math.min(...this.asked.values());
    return Math.max(0, Math.ceil(oldest + HOLD_MS - performance.now()));
  }

  beginTurn(): void {
    this.holding = false;
  }

  /** Asks for an introduction to `process`, once. True when it has been waited for long enough. */
  isOverdue(process: number): boolean {
    const since = this.asked.get(process);
    if (since === undefined) {
      this.asked.set(process, performance.now());
      this.control.send({ kind: 'introduce', peer: process });
    }
    if (since !== undefined && performance.now() - since >= HOLD_MS) return true;
    this.holding = true;
    return false;
  }

  forget(process: number): void {
    this.asked.delete(process);
  }

  forgetAll(): void {
    this.asked.clear();
  }
}

import type { ControlSocket } from './control-socket.js';

/**
 * How long all input waits for an introduction, so that effects do not overtake the message that needs it. After that
 * the message is delivered all the same: what is sent to the new process stays here until the introduction comes.
 */
const HOLD_MS = 200;
/** How long, after an introduction timed out, input does not wait for others that the same user makes necessary. */
const IMPATIENCE_MS = 10_000;

/** A process that has named another one to this one. */
export interface Namer {
  /** number in the domain */
  readonly id: number;
  readonly uid: number;
  readonly isTrusted: boolean;
}

/** The introductions and grants that this process waits for, each for a limited time. */
export class Introductions {
  private readonly control: ControlSocket;
  /** when an introduction to each process was asked for, in ms */
  private readonly asked = new Map<number, number>();
  /** since when a grant of each process has been awaited, in ms */
  private readonly ungranted = new Map<number, number>();
  /** until when introductions that processes of a uid have made necessary are not waited for, in ms */
  private readonly impatientUntil = new Map<number, number>();
  /** the process that has named each process to which an introduction was requested */
  private readonly namers = new Map<number, Namer>();
  private holding = false;
  /** start of the oldest wait in this turn, in ms */
  private sinceMs = Infinity;

  constructor(control: ControlSocket) {
    this.control = control;
  }

  /** True after `isOverdue` was false in this turn: nothing more is to be delivered. */
  get isHolding(): boolean {
    return this.holding;
  }

  /** The time until the first wait expires; -1 when there is none. */
  get timeoutMs(): number {
    if (this.sinceMs === Infinity) return -1;
    return Math.max(0, Math.ceil(this.sinceMs + HOLD_MS - performance.now()));
  }

  beginTurn(): void {
    this.holding = false;
    this.sinceMs = Infinity;
  }

  /**
   * Requests, once, an introduction to `process`, which `namer` has named. True when the wait for it has expired. All
   * input waits meanwhile; so after an expired wait, input does not wait for other processes that the same user names,
   * for some time.
   */
  isOverdue(process: number, namer: Namer): boolean {
    const since = this.asked.get(process) ?? performance.now();
    if (!this.asked.has(process)) {
      this.asked.set(process, since);
      this.namers.set(process, namer);
      this.control.send({ kind: 'introduce', peer: process });
    }
    this.holding = !this.isImpatient(namer) && this.awaits(since);
    if (!this.holding) this.impatientUntil.set(namer.uid, performance.now() + IMPATIENCE_MS);
    return !this.holding;
  }

  /** The process that has named `process`, to which an introduction was requested. */
  namerOf(process: number): Namer | undefined {
    return this.namers.get(process);
  }

  private isImpatient({ uid, isTrusted }: Namer): boolean {
    return !isTrusted && (this.impatientUntil.get(uid) ?? 0) > performance.now();
  }

  /** Whether a claim has to wait for a grant of `grantor`: bounded by one timeout shared by all waiting claims. */
  awaitsGrant(grantor: number): boolean {
    const since = this.ungranted.get(grantor) ?? performance.now();
    this.ungranted.set(grantor, since);
    return this.awaits(since);
  }

  /** A grant of `grantor` has arrived. */
  noteGrant(grantor: number): void {
    if (this.ungranted.size > 0) this.ungranted.delete(grantor);
  }

  forget(process: number): void {
    this.asked.delete(process);
    this.namers.delete(process);
    this.ungranted.delete(process);
  }

  forgetAll(): void {
    this.asked.clear();
    this.namers.clear();
  }

  private awaits(since: number): boolean {
    if (performance.now() - since >= HOLD_MS) return false;
    this.sinceMs = Math.min(this.sinceMs, since);
    return true;
  }
}

import type { ControlSocket } from './control-socket.js';

/**
 * How long everything waits for an introduction, so that effects do not overtake the message that needs it. After that
 * only that message's channel would have to wait, and the message is delivered: what is sent to the new process stays
 * here until the introduction comes.
 */
const HOLD_MS = 200;
/** For so long introductions that a user's processes ask for are not waited for, after one that did not come. */
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
  /** who has named each process that an introduction was asked for to: its uid, and how to say so */
  private readonly namers = new Map<number, Namer>();
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
   * Asks for an introduction to `process`, which `namer` has named, once. True when the wait has expired. All input
   * waits meanwhile; so after an expired wait, other processes that the same user names are not waited for, for
   * some time.
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

  /** Who has named `process`, to which an introduction was asked for. */
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

  /** Something that `grantor` has granted has come. */
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

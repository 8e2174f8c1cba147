import type { Deadline, Deadlines } from './deadlines.js';
import type { BusLimits } from '#policy/index.js';

/** How long no connection is accepted when the process has no descriptors or memory left. */
const SHORTAGE_MS = 1000;

export interface LobbyEvents {
  /** The connection has not said Hello within auth_timeout. */
  expired(fd: number): void;
  /**
   * Pauses and resumes accepting. Connections that are not accepted wait in the kernel, which has its own limit.
   */
  setAccepting(isAccepting: boolean): void;
}

/**
 * Connections that have not said Hello yet: they are authenticating, or have authenticated and stopped there. There
 * may be max_incomplete_connections of them, for auth_timeout each.
 */
export class Lobby {
  private readonly deadlines: Deadlines;
  private readonly events: LobbyEvents;
  /** by descriptor */
  private readonly waiting: (Deadline | undefined)[] = [];
  size = 0;
  private limits: BusLimits;
  private shortage: Deadline | null = null;
  private isAccepting = true;

  constructor(limits: BusLimits, deadlines: Deadlines, events: LobbyEvents) {
    this.limits = limits;
    this.deadlines = deadlines;
    this.events = events;
  }

  setLimits(limits: BusLimits): void {
    this.limits = limits;
    this.review();
  }

  enter(fd: number): void {
    const atMs = performance.now() + this.limits.authTimeoutMs;
    this.waiting[fd] = this.deadlines.add(atMs, () => this.events.expired(fd));
    this.size++;
    this.review();
  }

  /** The connection has said Hello or has closed. */
  leave(fd: number): void {
    const deadline = this.waiting[fd];
    if (deadline === undefined) return;
    this.deadlines.cancel(deadline);
    this.waiting[fd] = undefined;
    this.size--;
    this.review();
  }

  /** No descriptors are left: nothing is accepted until some are given back, or until `SHORTAGE_MS` has passed. */
  runShort(): void {
    this.shortage ??= this.deadlines.add(performance.now() + SHORTAGE_MS, () => {
      this.shortage = null;
      this.review();
    });
    this.review();
  }

  /** Descriptors have been given back. */
  endShortage(): void {
    if (this.shortage === null) return;
    this.deadlines.cancel(this.shortage);
    this.shortage = null;
    this.review();
  }

  private review(): void {
    const isWanted = this.shortage === null && this.size < this.limits.maxIncompleteConnections;
    if (isWanted === this.isAccepting) return;
    this.isAccepting = isWanted;
    this.events.setAccepting(isWanted);
  }
}

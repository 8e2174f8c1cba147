import type { Handle } from '#core/index.js';

import type { ReplyHandle } from './node-contexts.js';

const FIRST_CAPACITY = 16;

/** What a table has until its first entry: most connections are never called. */
const NO_NUMBERS = new Int32Array(1);
const NO_HANDLES: null[] = [null];

/**
 * The reply handles that a connection holds: how a return or an error, which names its addressee
 * and a serial, finds the capability that came with the call. Keyed by the caller's number (envelope.ts)
 * and its serial; open addressing, nothing is allocated for an entry.
 */
export class ReplyTable {
  private callers = NO_NUMBERS;
  private serials = NO_NUMBERS;
  private handles: (ReplyHandle | null)[] = NO_HANDLES;
  private mask = 0;
  size = 0;

  // hot
  has(caller: number, serial: number): boolean {
    return this.find(caller, serial) >= 0;
  }

  // hot
  add(caller: number, serial: number, handle: ReplyHandle): void {
    if (this.size * 2 >= this.mask) this.resize(Math.max((this.mask + 1) * 2, FIRST_CAPACITY));
    let i = slot(caller, serial) & this.mask;
    while (this.handles[i] !== null) i = (i + 1) & this.mask;
    this.callers[i] = caller;
    this.serials[i] = serial | 0;
    this.handles[i] = handle;
    this.size++;
  }

  /** Takes the reply handle out of the table; null when no such reply is expected. */
  // hot
  take(caller: number, serial: number): ReplyHandle | null {
    const i = this.find(caller, serial);
    if (i < 0) return null;
    const handle = this.handles[i]!;
    this.removeAt(i);
    return handle;
  }

  /** The handle for a reply, which stays in the table. */
  // hot
  peek(caller: number, serial: number): ReplyHandle | null {
    const i = this.find(caller, serial);
    return i < 0 ? null : this.handles[i]!;
  }

  /**
   * The caller has gone, and its reply node with it. A serial that was used twice is in the table twice.
   */
  remove(handle: Handle, caller: number, serial: number): void {
    let i = slot(caller, serial) & this.mask;
    while (this.handles[i] !== null && this.handles[i] !== handle) i = (i + 1) & this.mask;
    if (this.handles[i] !== null) this.removeAt(i);
  }

  /** Like `remove`, for a caller in another process, which is known by its handle only. */
  drop(handle: Handle): void {
    const i = this.handles.findIndex((each) => each === handle);
    if (i >= 0) this.removeAt(i);
  }

  // hot
  private find(caller: number, serial: number): number {
    let i = slot(caller, serial) & this.mask;
    while (this.handles[i] !== null) {
      if (this.serials[i] === (serial | 0) && this.callers[i] === caller) return i;
      i = (i + 1) & this.mask;
    }
    return -1;
  }

  /**
   * Closes the gap: entries behind it that were displaced move up, so that no probe ends too
   * early.
   */
  // hot
  private removeAt(gap: number): void {
    this.size--;
    let hole = gap;
    for (let i = (gap + 1) & this.mask; this.handles[i] !== null; i = (i + 1) & this.mask) {
      const home = slot(this.callers[i], this.serials[i]) & this.mask;
      if (((i - home) & this.mask) < ((i - hole) & this.mask)) continue;
      this.callers[hole] = this.callers[i]!;
      this.serials[hole] = this.serials[i]!;
      this.handles[hole] = this.handles[i]!;
      hole = i;
    }
    this.handles[hole] = null;
  }

  private resize(capacity: number): void {
    const { callers, serials, handles } = this;
    this.callers = new Int32Array(capacity);
    this.serials = new Int32Array(capacity);
    this.handles = Array.from({ length: capacity }, () => null);
    this.mask = capacity - 1;
    this.size = 0;
    for (const [i, handle] of handles.entries()) {
      if (handle !== null) this.add(callers[i], serials[i], handle);
    }
  }
}

function slot(caller: number, serial: number): number {
  return (Math.imul(caller, 0x9e3779b1) ^ Math.imul(serial, 0x85ebca6b)) >>> 7;
}

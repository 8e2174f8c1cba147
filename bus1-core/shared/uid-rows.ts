import { ROWS_ALWAYS } from './layout.js';

/** A process that makes rows in a table of this one. */
export interface RowMaker {
  readonly uid: number;
  /** such processes count for themselves alone */
  readonly isTrusted: boolean;
}

/**
 * Rows of a table that others make here, and that no quota is charged for: the processes of a uid together may have
 * `max`. Each may have `ROWS_ALWAYS` in any case, so that one of them cannot shut out the others.
 */
export class UidRows {
  private readonly max: number;
  private readonly byUid = new Map<number, number>();

  constructor(max: number) {
    this.max = max;
  }

  isFull({ uid }: RowMaker): boolean {
    return this.of(uid) >= this.max;
  }

  /** Counts one more row of a process that has `own`; false when that is one too many. */
  take(maker: RowMaker, own: number): boolean {
    if (maker.isTrusted) return own < this.max;
    if (own >= ROWS_ALWAYS && this.isFull(maker)) return false;
    this.byUid.set(maker.uid, this.of(maker.uid) + 1);
    return true;
  }

  give({ uid, isTrusted }: RowMaker, count: number): void {
    if (isTrusted || count === 0) return;
    const left = this.of(uid) - count;
    if (left === 0) this.byUid.delete(uid);
    else this.byUid.set(uid, left);
  }

  private of(uid: number): number {
    return this.byUid.get(uid) ?? 0;
  }
}

/** The rows of one process in such a table. */
export class ProcessRows {
  private count = 0;
  private readonly table: UidRows;
  private readonly maker: RowMaker;

  constructor(table: UidRows, maker: RowMaker) {
    this.table = table;
    this.maker = maker;
  }

  take(): boolean {
    if (!this.table.take(this.maker, this.count)) return false;
    this.count++;
    return true;
  }

  give(count = 1): void {
    this.count -= count;
    this.table.give(this.maker, count);
  }

  giveAll(): void {
    this.give(this.count);
  }
}

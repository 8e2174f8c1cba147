import type { Connection } from './connection.js';
import type { Denial } from './denial.js';
import { programOf } from './identity.js';

/** Equal denials of the policy, counted. */
export interface DenialRow {
  /** path of the executable; null: unknown */
  readonly program: string | null;
  readonly uid: number | null;
  /** of the last denial */
  readonly pid: number | null;
  readonly name: string;
  /** as in the log */
  readonly message: string;
  readonly why: string;
  /** file and line; null: no rule allows it */
  readonly rule: string | null;
  readonly count: number;
  /** milliseconds since the epoch */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Bounds the memory: a new row beyond this evicts the row whose last denial is the oldest. */
const ROWS_MAX = 256;

/** A path alone may have 64 MiB (D-Bus specification, "Message Format"). */
const MESSAGE_MAX_LENGTH = 512;

/** Counts denials by program, rule and message, so that a program that asks again and again is one row. */
export class Denials {
  private readonly rows = new Map<string, DenialRow>();
  private readonly programs = new WeakMap<Connection, string | null>();

  note(connection: Connection, { why, rule, message: all }: Denial['fields'], nowMs: number): void {
    /* a copy: a slice would keep the whole string alive */
    const message = Buffer.from(all.slice(0, MESSAGE_MAX_LENGTH)).toString();
    const { pid = null, uid = null } = connection.credentials;
    const program = this.programBehind(connection);
    const key = JSON.stringify([program, uid, why, message]);
    const known = this.rows.get(key);
    this.rows.delete(key);
    this.rows.set(key, {
      program,
      uid,
      pid,
      name: connection.uniqueName,
      message,
      why,
      rule: rule ?? null,
      count: (known?.count ?? 0) + 1,
      firstMs: known?.firstMs ?? nowMs,
      lastMs: nowMs,
    });
    if (this.rows.size > ROWS_MAX) this.rows.delete(this.rows.keys().next().value!);
  }

  /** All rows, the one with the oldest last denial first. */
  list(): DenialRow[] {
    return [...this.rows.values()];
  }

  private programBehind(connection: Connection): string | null {
    let program = this.programs.get(connection);
    if (program === undefined) {
      const { pid } = connection.credentials;
      program = (pid === undefined ? undefined : programOf(pid)) ?? null;
      this.programs.set(connection, program);
    }
    return program;
  }
}

/** Merges the rows of several hosts, each of which counts its own denials. */
export function mergeDenials(lists: Iterable<readonly DenialRow[]>): DenialRow[] {
  const merged = new Map<string, DenialRow>();
  for (const row of [...lists].flat()) {
    const key = JSON.stringify([row.program, row.uid, row.why, row.message]);
    const known = merged.get(key);
    const last = known !== undefined && known.lastMs > row.lastMs ? known : row;
    merged.set(key, {
      ...last,
      count: row.count + (known?.count ?? 0),
      firstMs: Math.min(row.firstMs, known?.firstMs ?? row.firstMs),
    });
  }
  return [...merged.values()].toSorted((a, b) => a.lastMs - b.lastMs);
}

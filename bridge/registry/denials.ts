import type { Connection } from './connection.js';
import type { Denial } from './denial.js';
import { programOf } from './identity.js';

/** What the policy has refused, as often as it did. */
export interface DenialRow {
  /** path of the executable; null: it could not be found out */
  readonly program: string | null;
  readonly uid: number | null;
  /** of the last one */
  readonly pid: number | null;
  readonly name: string;
  /** in the words of the log */
  readonly message: string;
  readonly why: string;
  /** file and line; null: no rule allows it */
  readonly rule: string | null;
  readonly count: number;
  /** milliseconds since the epoch */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Whoever invents messages to be denied pushes out the rows that are the longest without another one. */
const ROWS_MAX = 256;

/** A path alone may have 64 MiB (D-Bus specification, "Message Format"). */
const MESSAGE_MAX_LENGTH = 512;

/** Counts denials by program, rule and message, so that a program that asks again and again is one row. */
export class Denials {
  private readonly rows = new Map<string, DenialRow>();
  private readonly programs = new WeakMap<Connection, string | null>();

  note(connection: Connection, { why, rule, message: all }: Denial['fields'], nowMs: number): void {
    /* a copy: a part of a text would keep the whole */
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

  /** The one that is the longest without another first. */
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

/** The rows of several hosts: each counts what it has refused itself. */
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

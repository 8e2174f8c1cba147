import type { Connection, Credentials } from '#bridge/registry/connection.js';
import { identityOf } from '#bridge/registry/identity.js';

import type { Deadlines } from './deadlines.js';
import type { LogLevel } from './host-options.js';

export type LogFields = Readonly<Record<string, unknown>>;

/** Writes the lines that are within the budget. */
export type LogOutput = (level: LogLevel, message: string, fields: LogFields) => void;

/** Lines of one kind about one user that are written in a period. */
const LINES_MAX = 20;

/** The first period; each further one in which lines were left out is twice as long, up to the last. */
const PERIOD_MS = 10_000;
const PERIOD_MAX_MS = 600_000;

/** The most kinds for one user, and the most users, that have budgets of their own; all others share one. */
const KINDS_MAX = 32;
const USERS_MAX = 64;

interface Account {
  readonly kind: string;
  readonly level: LogLevel;
  periodMs: number;
  lines: number;
  leftOut: number;
}

/** The accounts of one user, by kind. */
type Accounts = Map<string, Account>;

/**
 * Limits what clients can cause to be logged, by kind of line and by user; lines that are left out are counted, and
 * the count is logged. Every line of a host goes through this.
 */
export class LogBudget {
  private readonly write: LogOutput;
  private readonly deadlines: Deadlines;
  private readonly users = new Map<number | undefined, Accounts>();

  constructor(write: LogOutput, deadlines: Deadlines) {
    this.write = write;
    this.deadlines = deadlines;
  }

  /** `uid`: the user that caused it; undefined: the text names the user, or no user caused it. */
  log(level: LogLevel, message: string, uid: number | undefined, fields: () => LogFields): void {
    const culprit = this.known(uid ?? uidIn(message));
    const account = this.accountOf(culprit, kindOf(message), level);
    if (account.lines === LINES_MAX) account.leftOut++;
    else {
      account.lines++;
      this.write(level, message, fields());
    }
  }

  /** Logs what `connection` has caused, with its identity. */
  report(
    connection: Connection,
    level: LogLevel,
    message: string,
    fields: () => LogFields = () => ({}),
  ): void {
    const { uniqueName: name, credentials } = connection;
    const { pid, uid } = credentials;
    this.log(level, message, uid, () => ({ name, ...identityOf(pid, uid), ...fields() }));
  }

  /** Logs why a client was not admitted. */
  refused({ pid, uid }: Credentials, level: LogLevel, reason: string): void {
    this.log(level, `connection refused: ${reason}`, uid, () => ({ ...identityOf(pid, uid) }));
  }

  /** Users beyond the first USERS_MAX share one budget, so that a range of subordinate users gains nothing. */
  private known(uid: number | undefined): number | undefined {
    return this.users.has(uid) || this.users.size < USERS_MAX ? uid : undefined;
  }

  private accountOf(uid: number | undefined, wanted: string, level: LogLevel): Account {
    let accounts = this.users.get(uid);
    if (accounts === undefined) this.users.set(uid, (accounts = new Map()));
    const kind = accounts.has(wanted) || accounts.size < KINDS_MAX ? wanted : OTHER_KINDS;
    const known = accounts.get(kind);
    if (known !== undefined) return known;
    const account = { kind, level, periodMs: PERIOD_MS, lines: 0, leftOut: 0 };
    accounts.set(kind, account);
    this.watch(uid, account);
    return account;
  }

  private watch(uid: number | undefined, account: Account): void {
    const atMs = performance.now() + account.periodMs;
    this.deadlines.add(atMs, () => this.periodOver(uid, account));
  }

  private periodOver(uid: number | undefined, account: Account): void {
    const { kind, level, leftOut, periodMs } = account;
    if (leftOut === 0) {
      const accounts = this.users.get(uid);
      accounts?.delete(kind);
      if (accounts?.size === 0) this.users.delete(uid);
      return;
    }
    const fields = uid === undefined ? { leftOut } : { uid, leftOut };
    this.write(level, `${leftOut} similar lines suppressed: ${kind}`, fields);
    account.lines = account.leftOut = 0;
    account.periodMs = Math.min(periodMs * 2, PERIOD_MAX_MS);
    this.watch(uid, account);
  }
}

const OTHER_KINDS = 'other messages';
const KIND_MAX_CHARACTERS = 120;

/** A message without its numbers and quoted texts, which differ from one client to the next. */
function kindOf(message: string): string {
  return message.replace(/"[^"]*"|\d+/gu, '…').slice(0, KIND_MAX_CHARACTERS);
}

/** Texts of the capability core name the user, and have no fields. */
function uidIn(message: string): number | undefined {
  const named = /\buid (?<uid>\d+)/u.exec(message)?.groups?.['uid'];
  return named === undefined ? undefined : Number(named);
}

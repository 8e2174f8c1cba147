import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Absent } from './running-bus.js';
import { CONTENDERS } from './contenders.js';
import type { Contender, ContenderId } from './contenders.js';
import { FIGURES, type Row } from './figures.js';
import type { ContenderResult, TableResult } from './result.js';
import type { Measurable } from './caller-session.js';

/** What of a table is to be measured. */
export interface TablePlan {
  readonly title: string;
  readonly directory: string;
  readonly columns: readonly ContenderId[];
  readonly rows: readonly Row[];
  readonly rounds: number;
  readonly durationMs: number;
  readonly configFile?: string | undefined;
  readonly heapCalls: number;
  /** @param share how much of the table is done, 0 to 1 */
  readonly onProgress: (text: string, share: number) => void;
}

/** So often a contender is measured in one row before it is left out. */
const ATTEMPTS_MAX = 3;

/**
 * Measures the contenders in turn, row by row: other load on the machine at some time affects them
 * alike. All are started first and stay; an idle one costs nothing. One that fails is started again;
 * if it fails each time it is left out from there on, with the reason.
 */
export class TableRun {
  readonly #plan: TablePlan;
  readonly #sessions = new Map<ContenderId, Measurable>();
  readonly #result = new Map<ContenderId, ContenderResult>();
  /** rows that have been measured, of all rounds and columns */
  #steps = 0;

  constructor(plan: TablePlan) {
    this.#plan = plan;
  }

  async run(): Promise<TableResult> {
    try {
      for (const id of this.#plan.columns) await this.#open(id);
      for (let round = 1; round <= this.#plan.rounds; round++) await this.#round(round);
      this.#account();
      if (this.#plan.heapCalls > 0) await this.#heap();
    } finally {
      for (const id of this.#sessions.keys()) await this.#close(id);
    }
    return this.#result;
  }

  async #round(round: number): Promise<void> {
    /* the rounds begin with each contender in turn, since the first one finds the processors idle */
    const ids = [...this.#sessions.keys()];
    const first = round % ids.length;
    const order = [...ids.slice(first), ...ids.slice(0, first)];
    for (const row of this.#plan.rows) {
      for (const id of order) {
        const { rows }: Contender = CONTENDERS[id];
        if (!rows.includes(row)) continue;
        this.#steps++;
        this.#show(`round ${round} of ${this.#plan.rounds}: ${row} of ${id}`);
        await this.#measure(id, row);
      }
    }
  }

  /** A contender that fails is started again, as the report says: dbus-broker disconnects callers beside a flooder. */
  async #measure(id: ContenderId, row: Row): Promise<void> {
    for (let attempt = 1; this.#sessions.has(id); attempt++) {
      await this.#attempt(id, row);
      if (this.#sessions.has(id) || attempt === ATTEMPTS_MAX) return;
      const { failures, interruptions } = this.#result.get(id)!;
      interruptions.push(failures.pop()!);
      await this.#open(id);
    }
  }

  async #attempt(id: ContenderId, row: Row): Promise<void> {
    await this.#guarded(id, row, async (session, { figures }) => {
      const measured = await session.measure(row, this.#plan.durationMs);
      for (const { id: figure } of FIGURES) {
        const value = measured.figures[figure];
        if (value !== undefined) (figures[figure] ??= []).push(value);
      }
    });
  }

  /** What each bus has used up over all rounds. */
  #account(): void {
    for (const [id, session] of this.#sessions) {
      const result = this.#result.get(id);
      const cpu = session.cpuTime();
      if (result === undefined || cpu === undefined) continue;
      result.endBytes = session.residentBytes();
      result.systemShare = cpu.systemTicks / (cpu.userTicks + cpu.systemTicks);
    }
  }

  async #heap(): Promise<void> {
    this.#show(`heap over ${this.#plan.heapCalls} calls of ours`);
    await this.#guarded('ours', 'heap', async (session, result) => {
      result.heap = await session.heapGrowth(this.#plan.heapCalls);
    });
  }

  async #open(id: ContenderId): Promise<void> {
    this.#show(`starting ${id}`);
    const result: ContenderResult = this.#result.get(id) ?? {
      figures: {},
      failures: [],
      interruptions: [],
    };
    this.#result.set(id, result);
    const { length } = result.interruptions;
    const directory = join(this.#plan.directory, length === 0 ? id : `${id}-${length}`);
    const { configFile } = this.#plan;
    try {
      mkdirSync(directory);
      const session = await CONTENDERS[id].open({ directory, configFile });
      this.#sessions.set(id, session);
      result.restBytes = session.residentBytes();
    } catch (error) {
      if (error instanceof Absent) result.absent = error.message;
      else result.failures.push(`start: ${textOf(error)}`);
    }
  }

  async #guarded(
    id: ContenderId,
    what: string,
    step: (session: Measurable, result: ContenderResult) => Promise<void>,
  ): Promise<void> {
    const session = this.#sessions.get(id);
    const result = this.#result.get(id);
    if (session === undefined || result === undefined) return;
    try {
      await step(session, result);
    } catch (error) {
      result.failures.push(`${what}: ${textOf(error)}`);
      await this.#close(id);
    }
  }

  async #close(id: ContenderId): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    await session?.close();
  }

  #show(text: string): void {
    const { title, rounds, rows, columns } = this.#plan;
    const steps = Math.max(1, rounds * rows.length * columns.length);
    this.#plan.onProgress(`${title}: ${text}`, Math.min(1, this.#steps / steps));
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

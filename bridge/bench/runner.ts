import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BusId } from './buses.js';
import { FIGURES, isSignalRow } from './figures.js';
import type { FigureId, Row } from './figures.js';
import type { HeapGrowth } from './heap.js';
import type { Progress } from './progress.js';
import { Session } from './session.js';

export interface BenchOptions {
  readonly buses: readonly BusId[];
  readonly rows: readonly Row[];
  readonly rounds: number;
  /** How long each row is measured in each round. */
  readonly durationMs: number;
  readonly configFile?: string | undefined;
  /** Calls of the heap row; 0 leaves it out. */
  readonly heapCalls: number;
}

export interface BusResult {
  /** One value a round. */
  readonly figures: Partial<Record<FigureId, number[]>>;
  /** Why something of this bus was not measured. */
  readonly failures: string[];
  heap?: HeapGrowth | undefined;
}

export type BenchResult = ReadonlyMap<BusId, BusResult>;

/**
 * Measures the buses in turn, row by row: what else the machine does in some second hits them
 * alike. All are started first and stay; an idle bus costs nothing. A bus that fails is left out
 * from there on, with the reason.
 */
export class Runner {
  readonly #options: BenchOptions;
  readonly #progress: Progress;
  readonly #directory = mkdtempSync(join(tmpdir(), 'bus1-bench-'));
  readonly #removeDirectory = (): void => {
    rmSync(this.#directory, { recursive: true, force: true });
  };
  readonly #sessions = new Map<BusId, Session>();
  readonly #result = new Map<BusId, BusResult>();

  constructor(options: BenchOptions, progress: Progress) {
    this.#options = options;
    this.#progress = progress;
    process.once('exit', this.#removeDirectory); // also when a signal ends the run
  }

  async run(): Promise<BenchResult> {
    try {
      for (const id of this.#options.buses) await this.#open(id);
      for (let round = 1; round <= this.#options.rounds; round++) await this.#round(round);
      if (this.#options.heapCalls > 0) await this.#heap();
    } finally {
      await this.#closeAll();
    }
    return this.#result;
  }

  async #closeAll(): Promise<void> {
    for (const id of this.#sessions.keys()) await this.#close(id);
    process.off('exit', this.#removeDirectory);
    this.#removeDirectory();
  }

  async #round(round: number): Promise<void> {
    /* each bus is the first of a round in its turn: the first one finds the processors idle */
    const ids = [...this.#sessions.keys()];
    const first = round % ids.length;
    const order = [...ids.slice(first), ...ids.slice(0, first)];
    for (const row of this.#options.rows) {
      for (const id of order) {
        if (id === 'raw' && isSignalRow(row)) continue;
        this.#progress.show(`round ${round} of ${this.#options.rounds}: ${row} on ${id}`);
        await this.#measure(id, row);
      }
    }
  }

  async #measure(id: BusId, row: Row): Promise<void> {
    await this.#guarded(id, row, async (session, { figures }) => {
      const measured = await session.measure(row, this.#options.durationMs);
      for (const { id: figure } of FIGURES) {
        const value = measured[figure];
        if (value !== undefined) (figures[figure] ??= []).push(value);
      }
    });
  }

  async #heap(): Promise<void> {
    this.#progress.show(`heap over ${this.#options.heapCalls} calls on ours`);
    await this.#guarded('ours', 'heap', async (session, result) => {
      result.heap = await session.heapGrowth(this.#options.heapCalls);
    });
  }

  async #open(id: BusId): Promise<void> {
    this.#progress.show(`starting ${id}`);
    const result: BusResult = { figures: {}, failures: [] };
    this.#result.set(id, result);
    try {
      this.#sessions.set(id, await Session.open(id, this.#directory, this.#options.configFile));
    } catch (error) {
      result.failures.push(`start: ${textOf(error)}`);
    }
  }

  async #guarded(
    id: BusId,
    what: string,
    step: (session: Session, result: BusResult) => Promise<void>,
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

  async #close(id: BusId): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    await session?.close();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContenderId } from './contenders.js';
import type { Row } from './figures.js';
import type { Progress } from './progress.js';
import type { BenchResult, TableResult } from './result.js';
import { TableRun } from './table-run.js';
import { TABLES } from './tables.js';
import type { TableId } from './tables.js';

export interface BenchOptions {
  readonly tables: readonly TableId[];
  /** The columns and rows to measure, of those that a table has. */
  readonly contenders: readonly ContenderId[];
  readonly rows: readonly Row[];
  readonly rounds: number;
  /** How long each row is measured in each round. */
  readonly durationMs: number;
  readonly configFile?: string | undefined;
  /** Calls of the heap row; 0 leaves it out. */
  readonly heapCalls: number;
}

/** Measures one table after the other. */
export class Runner {
  readonly #options: BenchOptions;
  readonly #progress: Progress;
  readonly #directory = mkdtempSync(join(tmpdir(), 'bus1-bench-'));
  readonly #removeDirectory = (): void => {
    rmSync(this.#directory, { recursive: true, force: true });
  };

  constructor(options: BenchOptions, progress: Progress) {
    this.#options = options;
    this.#progress = progress;
    process.once('exit', this.#removeDirectory); // also when a signal ends the run
  }

  async run(): Promise<BenchResult> {
    const result = new Map<TableId, TableResult>();
    for (const [index, id] of this.#options.tables.entries()) {
      const measured = await this.#measure(id, index);
      if (measured !== undefined) result.set(id, measured);
    }
    process.off('exit', this.#removeDirectory);
    this.#removeDirectory();
    return result;
  }

  /** undefined where nothing of the table was asked for. */
  async #measure(id: TableId, index: number): Promise<TableResult | undefined> {
    const { contenders: wanted, rows: wantedRows } = this.#options;
    const table = TABLES[id];
    const columns = table.columns.filter((contender) => wanted.includes(contender));
    const rows = table.rows.filter((row) => wantedRows.includes(row));
    if (columns.length === 0 || rows.length === 0) return undefined;
    const directory = join(this.#directory, id);
    mkdirSync(directory);
    const rounds = Math.min(this.#options.rounds, table.roundsMax ?? Infinity);
    const onProgress = (text: string, share: number): void =>
      this.#progress.show(text, (index + share) / this.#options.tables.length);
    const plan = { ...this.#options, title: id, directory, columns, rows, rounds, onProgress };
    return new TableRun(plan).run();
  }
}

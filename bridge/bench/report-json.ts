import { cpus, release } from 'node:os';
import { FIGURES } from './figures.js';
import { targetOutcomes } from './report.js';
import { medianOf } from './result.js';
import type { BenchResult, TableResult } from './result.js';
import type { BenchOptions } from './runner.js';

/** The report for a program, with the value of each round and the machine they were measured on. */
export function reportJson(result: BenchResult, options: BenchOptions): string {
  const machine = {
    node: process.version,
    kernel: release(),
    arch: process.arch,
    cpu: cpus()[0]?.model,
    cpus: cpus().length,
  };
  const tables = Object.fromEntries(
    [...result].map(([id, table]) => [
      id,
      {
        medians: mediansOf(table),
        rounds: Object.fromEntries(table),
        targets: targetOutcomes(id, table),
      },
    ]),
  );
  return `${JSON.stringify({ machine, options, tables }, null, 2)}\n`;
}

function mediansOf(table: TableResult): Record<string, Record<string, number | null>> {
  return Object.fromEntries(
    [...table.keys()].map((contender) => [
      contender,
      Object.fromEntries(FIGURES.map(({ id }) => [id, medianOf(table, contender, id) ?? null])),
    ]),
  );
}

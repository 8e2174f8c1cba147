import { compare } from './comparison.js';
import type { Run } from './report.js';
import { TABLES } from './tables.js';

/** The report for a program: the values of each round, the estimates, and the machine they were measured on. */
export function reportData({ machine, loadAfter, options, result }: Run): object {
  const tables = Object.fromEntries(
    [...result].map(([id, table]) => [
      id,
      {
        title: TABLES[id].title,
        reference: TABLES[id].reference,
        lines: compare(table, TABLES[id].reference),
        contenders: Object.fromEntries(table),
      },
    ]),
  );
  return { machine: { ...machine, loadAfter }, options, tables };
}

export function reportJson(run: Run): string {
  return `${JSON.stringify(reportData(run), null, 2)}\n`;
}

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { makeDirectories } from '#bridge/control/make-directory.js';
import { advantageOf } from './comparison.js';
import type { ContenderId } from './contenders.js';
import type { Row } from './figures.js';
import { Progress } from './progress.js';
import { failuresOf, type Estimate } from './result.js';
import { Runner, type BenchOptions } from './runner.js';

// usage: check.js BASELINE [--write]
//
// Compares the ratios of a short run with those of the baseline and ends with status 1 if one is worse by more than
// its noise, and still is when measured again. --write makes this run the baseline.

const OURS: ContenderId = 'ours';
const REFERENCE: ContenderId = 'dbus-broker';

/**
 * Rows in which the bus has work to do all the time. The time of one round trip is none of them: it depends more on
 * the cores that the scheduler gives to client and bus than on the bus.
 */
const ROWS: readonly Row[] = ['outstanding-64', 'one-way', 'signal-16'];

const OPTIONS: Omit<BenchOptions, 'rows'> = {
  tables: ['buses'],
  contenders: [OURS, REFERENCE],
  rounds: 15,
  durationMs: 100,
  heapCalls: 0,
};

/** On a shared machine, ratios vary by this much from one run to the next, whatever the interval within a run. */
const NOISE = 0.35;

interface Expected {
  /** how many times as good as the reference */
  readonly advantage: number;
  /** share of it that a run may lose */
  readonly noise: number;
}

type Baseline = Readonly<Partial<Record<Row, Expected>>>;

/** Whether even the best that the interval allows is worse than the baseline and its noise. */
function isWorse({ high }: Estimate, { advantage, noise }: Expected): boolean {
  return high < advantage * (1 - noise);
}

function judge(row: Row, found: Estimate | undefined, expected: Expected | undefined): boolean {
  const [value, low, high] = [found?.value, found?.low, found?.high].map((one) => one?.toFixed(2));
  const known =
    expected === undefined ? 'no baseline' : `baseline ${expected.advantage.toFixed(2)}`;
  const passed = found !== undefined && (expected === undefined || !isWorse(found, expected));
  process.stdout.write(
    `${passed ? 'ok  ' : 'FAIL'}  ${row}: ${value ?? 'not measured'} (${low} - ${high}) times as good as ` +
      `${REFERENCE}; ${known}\n`,
  );
  return passed;
}

const [file, flag] = process.argv.slice(2);
if (file === undefined || (flag !== undefined && flag !== '--write')) {
  process.stderr.write('usage: check.js BASELINE [--write]\n');
  process.exit(2);
}
if (flag === undefined && !existsSync(file)) {
  process.stderr.write(`check.js: there is no baseline at ${file}: record one with --write\n`);
  process.exit(2);
}
/** How many times as good as the reference this bus is, in each row. */
async function measure(rows: readonly Row[]): Promise<Map<Row, Estimate | undefined>> {
  const progress = new Progress(process.stderr);
  const result = await new Runner({ ...OPTIONS, rows }, progress).run();
  progress.clear();
  for (const failure of failuresOf(result)) process.stderr.write(`${failure}\n`);
  const table = result.get('buses') ?? new Map();
  return new Map(rows.map((row) => [row, advantageOf(table, OURS, REFERENCE, row)]));
}

const found = await measure(ROWS);
if (flag === '--write') {
  const baseline = Object.fromEntries(
    [...found].map(([row, estimate]) => [
      row,
      { advantage: Number(estimate?.value.toFixed(2)), noise: NOISE },
    ]),
  );
  makeDirectories(dirname(file));
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`);
}
/* written by this program with --write */
const baseline: Baseline = JSON.parse(readFileSync(file, 'utf8'));
const isWorseIn =
  (estimates: typeof found) =>
  (row: Row): boolean =>
    !judge(row, estimates.get(row), baseline[row]);

const worse = ROWS.filter(isWorseIn(found));
if (worse.length > 0) {
  process.stdout.write('measured again: the machine may have been busy\n');
  if (worse.some(isWorseIn(await measure(worse)))) process.exitCode = 1;
}

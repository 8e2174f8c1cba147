import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { killChildren } from './child.js';
import { CONTENDER_IDS } from './contenders.js';
import type { ContenderId } from './contenders.js';
import { ROWS } from './figures.js';
import type { Row } from './figures.js';
import { Progress } from './progress.js';
import { reportJson } from './report-json.js';
import { reportText } from './report.js';
import { failuresOf } from './result.js';
import { Runner } from './runner.js';
import type { BenchOptions } from './runner.js';
import { TABLE_IDS } from './tables.js';
import type { TableId } from './tables.js';

const ROUNDS = 11;
const DURATION_MS = 250;
const QUICK_ROUNDS = 2;
const QUICK_DURATION_MS = 100;
const HEAP_CALLS = 1_000_000;

interface Flags {
  tables: TableId[];
  columns: ContenderId[];
  rows: Row[];
  rounds?: number;
  durationMs?: number;
  quick?: boolean;
  config?: string;
  heap?: boolean | number;
  json?: string;
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError('It must be a whole number > 0.');
  return Number(text);
}

/** Parses a comma-separated choice of `known`. */
function choiceOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((word) => {
      const found = known.find((candidate) => candidate === word.trim());
      if (found !== undefined) return found;
      throw new InvalidArgumentError(`'${word}' is none of ${known.join(', ')}.`);
    });
}

function parseFlags(): Flags {
  const command = new Command('bench')
    .description(
      'Compares ways to call a service, side by side: the same load, in turn, medians over the rounds.',
    )
    .addOption(
      new Option('--tables <list>', 'tables to measure')
        .argParser(choiceOf(TABLE_IDS))
        .default([...TABLE_IDS], TABLE_IDS.join(',')),
    )
    .addOption(
      new Option('--columns <list>', 'columns to measure, of those that a table has')
        .argParser(choiceOf(CONTENDER_IDS))
        .default(CONTENDER_IDS, CONTENDER_IDS.join(',')),
    )
    .addOption(
      new Option('--rows <list>', 'rows to measure, of those that a table has')
        .argParser(choiceOf(ROWS))
        .default([...ROWS], ROWS.join(',')),
    )
    .option('--rounds <n>', `how often each row is measured (${ROUNDS})`, positiveInteger)
    .option('--duration-ms <n>', `how long, each time (${DURATION_MS})`, positiveInteger)
    .option('--quick', `a first look: ${QUICK_ROUNDS} rounds of ${QUICK_DURATION_MS} ms`)
    .option('--config <file>', 'configuration added to that of ours and of dbus-daemon')
    .option('--heap [calls]', `growth of our heap over that many calls (1e6)`, positiveInteger)
    .option('--json <file>', 'write all values to a file');
  return command.parse().opts<Flags>();
}

function optionsOf(flags: Flags): BenchOptions {
  const quick = flags.quick === true;
  return {
    tables: flags.tables,
    contenders: flags.columns,
    rows: flags.rows,
    rounds: flags.rounds ?? (quick ? QUICK_ROUNDS : ROUNDS),
    durationMs: flags.durationMs ?? (quick ? QUICK_DURATION_MS : DURATION_MS),
    configFile: flags.config,
    heapCalls: flags.heap === true ? HEAP_CALLS : Number(flags.heap ?? 0),
  };
}

const flags = parseFlags();
const options = optionsOf(flags);
const progress = new Progress(process.stderr);
for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(signal, () => {
    killChildren();
    process.exit(128 + number);
  });
}
const runner = new Runner(options, progress);
const result = await runner.run();
progress.clear();
if (flags.json !== undefined) writeFileSync(flags.json, reportJson(result, options));
process.stdout.write(reportText(result));
if (failuresOf(result).length > 0) process.exitCode = 1;

import { Command, InvalidArgumentError, Option } from 'commander';
import { CONTENDER_IDS } from './contenders.js';
import type { ContenderId } from './contenders.js';
import { ROWS } from './figures.js';
import type { Row } from './figures.js';
import type { ReportFiles } from './measure.js';
import type { BenchOptions } from './runner.js';
import { TABLE_IDS } from './tables.js';
import type { TableId } from './tables.js';

const ROUNDS = 11;
const DURATION_MS = 250;
const QUICK_ROUNDS = 3;
const QUICK_DURATION_MS = 100;
const HEAP_CALLS = 1_000_000;
/** The tables that are measured by default: the buses themselves. */
const DEFAULT_TABLES: readonly TableId[] = ['buses'];
const AGAINST = ['dbus-daemon', 'dbus-broker'] as const;

interface Flags extends ReportFiles {
  tables: TableId[];
  against: string[];
  columns: ContenderId[];
  rows: Row[];
  rounds?: number;
  durationMs?: number;
  quick?: boolean;
  config?: string;
  heap?: boolean | number;
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError('It must be a whole number > 0.');
  return Number(text);
}

/** Parses a comma-separated choice of `known`; `all` stands for every one of them. */
function choiceOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').flatMap((word) => {
      if (word.trim() === 'all') return [...known];
      const found = known.find((candidate) => candidate === word.trim());
      if (found !== undefined) return [found];
      throw new InvalidArgumentError(`'${word}' is not one of ${known.join(', ')}.`);
    });
}

/** The options of `bus1-bridge bench` and `npm run bench`. */
export function benchCommand(name: string): Command {
  return new Command(name)
    .description(
      'Compares this bus with others on this machine: each gets the same load in turn; results are medians.',
    )
    .addOption(
      new Option('--tables <list>', `tables to measure: all, or some of ${TABLE_IDS.join(', ')}`)
        .argParser(choiceOf(TABLE_IDS))
        .default([...DEFAULT_TABLES], DEFAULT_TABLES.join(',')),
    )
    .addOption(
      new Option('--against <list>', 'buses to compare with, if they are installed')
        .argParser(choiceOf(AGAINST))
        .default([...AGAINST], AGAINST.join(',')),
    )
    .addOption(
      new Option('--columns <list>', 'columns to measure, where a table has them')
        .argParser(choiceOf(CONTENDER_IDS))
        .default(CONTENDER_IDS, 'all'),
    )
    .addOption(
      new Option('--rows <list>', 'rows to measure, where a table has them')
        .argParser(choiceOf(ROWS))
        .default([...ROWS], 'all'),
    )
    .option(
      '--rounds <n>',
      `how many times to measure each row (default: ${ROUNDS})`,
      positiveInteger,
    )
    .option(
      '--duration-ms <n>',
      `duration of each measurement (default: ${DURATION_MS})`,
      positiveInteger,
    )
    .option('--quick', `quick overview: ${QUICK_ROUNDS} rounds of ${QUICK_DURATION_MS} ms`)
    .option('--config <file>', 'configuration file added to those of this bus and dbus-daemon')
    .option(
      '--heap [calls]',
      `measure the heap growth of this bus over that many calls (default: 1e6)`,
      positiveInteger,
    )
    .option('--json <file>', 'write all values to a file')
    .option('--markdown <file>', 'write the tables to a file')
    .option('--html <file>', 'write the report with its plots to one file, which needs no network')
    .action(async (flags: Flags) => {
      const { measure } = await import('./measure.js');
      await measure(optionsOf(flags), flags);
    });
}

function optionsOf(flags: Flags): BenchOptions {
  const quick = flags.quick === true;
  const left = AGAINST.filter((bus) => !flags.against.includes(bus));
  return {
    tables: flags.tables,
    contenders: flags.columns.filter((id) => !left.some((bus) => id.startsWith(bus))),
    rows: flags.rows,
    rounds: flags.rounds ?? (quick ? QUICK_ROUNDS : ROUNDS),
    durationMs: flags.durationMs ?? (quick ? QUICK_DURATION_MS : DURATION_MS),
    configFile: flags.config,
    heapCalls: flags.heap === true ? HEAP_CALLS : Number(flags.heap ?? 0),
  };
}

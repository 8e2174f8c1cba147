import { compare, type Line } from './comparison.js';
import { CONTENDERS, type ContenderId } from './contenders.js';
import { rowTitle } from './figures.js';
import { busyWarning, type Machine } from './machine.js';
import { absencesOf, failuresOf, interruptionsOf, isUndecided } from './result.js';
import type { BenchResult, ContenderResult, Estimate, TableResult } from './result.js';
import type { BenchOptions } from './runner.js';
import { TABLES, type TableId } from './tables.js';

/** Everything that a report is made of. */
export interface Run {
  readonly machine: Machine;
  readonly loadAfter: number;
  readonly options: BenchOptions;
  readonly result: BenchResult;
}

/** Cells of a table, the first line being its head. */
export type Cells = readonly [head: readonly string[], ...lines: (readonly string[])[]];

const MEMORY_HEAD = ['', 'memory at rest', 'after the run', 'CPU in the kernel'];

/** A table as cells: a line for each contender in each row. */
export function tableCells(id: TableId, result: TableResult): Cells {
  const { reference } = TABLES[id];
  const lines = compare(result, reference);
  const head = [
    'row',
    'bus',
    'median',
    '95 % interval',
    `times as good as ${titleOf(reference)}`,
    'p99',
    'p99.9',
    'worst',
    'CPU a message',
  ];
  const cells = lines.map((line, index) => [
    lines[index - 1]?.row === line.row ? '' : rowTitle(line.row),
    titleOf(line.contender),
    ...valueCells(line),
  ]);
  return [head, ...cells];
}

function valueCells({ unit, estimate, advantage, p99, p999, worst, cpuUs }: Line): string[] {
  const { value, low, high } = estimate;
  return [
    formatValue(unit, value),
    `${formatNumber(low)} - ${formatNumber(high)}`,
    advantage === undefined ? '' : advantageText(advantage),
    ...[p99, p999, worst, cpuUs].map((us) => (us === undefined ? '' : formatValue('us', us))),
  ];
}

/** "1.32 (1.28 - 1.37)", or that the intervals leave it open who is better. */
export function advantageText(advantage: Estimate): string {
  const [value, low, high] = [advantage.value, advantage.low, advantage.high].map((ratio) =>
    ratio.toFixed(2),
  );
  return `${value} (${low} - ${high})${isUndecided(advantage) ? ' no difference' : ''}`;
}

/** From this value on, times are shown in milliseconds. */
const LONG_US = 100_000;

export function formatValue(unit: Line['unit'], value: number): string {
  if (unit === 'per second') return `${formatNumber(value)}/s`;
  if (unit === 'us' && value >= LONG_US) return `${formatNumber(value / 1000)} ms`;
  return `${formatNumber(value)} ${unit}`;
}

/** Shows significant digits only. */
function formatNumber(value: number): string {
  if (value >= 100) return String(Math.round(value));
  return Number(value.toFixed(value < 10 ? 2 : 1)).toString();
}

export function titleOf(contender: ContenderId): string {
  return CONTENDERS[contender].title;
}

/** Memory and the share of the kernel of each bus in a table; only the head where nothing is known. */
export function memoryCells(result: TableResult): Cells {
  const measured = [...result].filter(([, { restBytes }]) => restBytes !== undefined);
  return [MEMORY_HEAD, ...measured.map(([id, one]) => [titleOf(id), ...memoryOf(one)])];
}

function memoryOf({ restBytes, endBytes, systemShare }: ContenderResult): string[] {
  const share = systemShare === undefined || Number.isNaN(systemShare) ? undefined : systemShare;
  return [
    formatMiB(restBytes),
    formatMiB(endBytes),
    share === undefined ? '' : `${Math.round(share * 100)} %`,
  ];
}

function formatMiB(bytes: number | undefined): string {
  return bytes === undefined ? '' : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Columns as wide as their widest cell; the first two to the left, the others to the right. */
function alignCells(cells: Cells, leftColumns: number): string {
  const widthOf = (column: number): number =>
    Math.max(...cells.map((line) => line[column]?.length ?? 0));
  return cells
    .map((line) =>
      line
        .map((cell, i) => (i < leftColumns ? cell.padEnd(widthOf(i)) : cell.padStart(widthOf(i))))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function sectionText(id: TableId, result: TableResult): string {
  const memory = memoryCells(result);
  return [
    TABLES[id].title,
    '',
    alignCells(tableCells(id, result), 2),
    '',
    ...(memory.length > 1 ? [alignCells(memory, 1), ''] : []),
    ...heapText(result),
    '',
  ].join('\n');
}

function heapText(result: TableResult): string[] {
  const heap = result.get('ours')?.heap;
  if (heap === undefined) return [];
  if (heap.beforeBytes === null || heap.afterBytes === null) {
    return ['heap: the bus does not report org.bus1.Heap.UsedBytes'];
  }
  const grown = heap.afterBytes - heap.beforeBytes;
  return [`heap: ${grown} bytes more after ${heap.calls} calls (from ${heap.beforeBytes})`];
}

/** Name and value of everything about the machine, for the head of each kind of report. */
export function machineFacts({ machine, loadAfter, options }: Run): [string, string][] {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const { rounds, durationMs } = options;
  return [
    ['date', machine.date],
    ['versions', versions.join(', ')],
    ['kernel', `Linux ${machine.kernel} ${machine.arch}`],
    ['processor', `${machine.cpu}, ${machine.cores} cores, governor ${machine.governor}`],
    ['memory', `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ['virtualisation', machine.virtualisation],
    ['mitigations', machine.mitigations.join('; ') || 'none'],
    ['load', `${machine.loadBefore.toFixed(2)} before, ${loadAfter.toFixed(2)} after`],
    [
      'method',
      `${rounds} rounds of ${durationMs} ms per row, all buses in turn; medians over the rounds`,
    ],
  ];
}

/** What the reader has to be warned of, and what is missing. */
export function remarks({ machine, loadAfter, result }: Run): string[] {
  const warning = busyWarning(machine, loadAfter);
  const missing = [...absencesOf(result), ...interruptionsOf(result), ...failuresOf(result)];
  return warning === undefined ? missing : [warning, ...missing];
}

/** What a person reads on a terminal. */
export function reportText(run: Run): string {
  const facts = machineFacts(run).map(([name, value]) => `${name.padEnd(15)}${value}`);
  const sections = [...run.result].map(([id, table]) => sectionText(id, table));
  return [...facts, '', ...sections, ...remarks(run), ''].join('\n');
}

/** The same for a page that understands Markdown. */
export function reportMarkdown(run: Run): string {
  const facts = machineFacts(run).map(([name, value]) => `- ${name}: ${value}`);
  const sections = [...run.result].flatMap(([id, table]) => {
    const memory = memoryCells(table);
    return [
      `## ${TABLES[id].title}`,
      '',
      markdownTable(tableCells(id, table)),
      '',
      ...(memory.length > 1 ? [markdownTable(memory), ''] : []),
    ];
  });
  return [...facts, '', ...sections, ...remarks(run).map((line) => `- ${line}`), ''].join('\n');
}

function markdownTable([head, ...lines]: Cells): string {
  const rule = head.map(() => '---');
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The report for a program: the values of each round, the estimates, and the machine they were measured on. */
function reportData({ machine, loadAfter, options, result }: Run): object {
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

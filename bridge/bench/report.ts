import { cpus, release } from 'node:os';
import { BUS_TITLES } from './buses.js';
import type { BusId } from './buses.js';
import { FIGURES, TARGETS } from './figures.js';
import type { Figure, FigureId } from './figures.js';
import type { BenchOptions, BenchResult } from './runner.js';
import { median } from './statistics.js';

/** Everything is compared with this bus. */
const REFERENCE: BusId = 'dbus-broker';

/** Median over the rounds; undefined where nothing was measured. */
export function medianOf(result: BenchResult, bus: BusId, figure: FigureId): number | undefined {
  const values = result.get(bus)?.figures[figure];
  return values === undefined || values.length === 0 ? undefined : median(values);
}

/** How `bus` compares with dbus-broker: its median divided by the other's. */
export function ratioOf(result: BenchResult, bus: BusId, figure: FigureId): number | undefined {
  const value = medianOf(result, bus, figure);
  const reference = medianOf(result, REFERENCE, figure);
  return value === undefined || reference === undefined ? undefined : value / reference;
}

function formatValue(figure: Figure, value: number | undefined): string {
  if (value === undefined) return '-';
  return figure.unit === 'us' ? `${value.toFixed(1)} us` : `${Math.round(value)}/s`;
}

function formatCell(result: BenchResult, bus: BusId, figure: (typeof FIGURES)[number]): string {
  const value = formatValue(figure, medianOf(result, bus, figure.id));
  const ratio = bus === REFERENCE ? undefined : ratioOf(result, bus, figure.id);
  return ratio === undefined ? value : `${value} (${ratio.toFixed(2)}x)`;
}

/** Columns as wide as their widest cell; the first to the left, the others to the right. */
function formatTable(lines: readonly (readonly string[])[]): string {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const formatted = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
  );
  return formatted.join('\n');
}

/** The table: a line for each figure that was measured, a column for each bus. */
export function tableText(result: BenchResult): string {
  const buses = [...result.keys()];
  const measured = FIGURES.filter((figure) =>
    buses.some((bus) => medianOf(result, bus, figure.id) !== undefined),
  );
  return formatTable([
    ['', ...buses.map((bus) => BUS_TITLES[bus])],
    ...measured.map((figure) => [
      figure.title,
      ...buses.map((bus) => formatCell(result, bus, figure)),
    ]),
  ]);
}

export interface TargetOutcome {
  readonly figure: FigureId;
  readonly text: string;
  /** undefined where one of the two was not measured. */
  readonly ratio: number | undefined;
  readonly met: boolean | undefined;
}

/** How we stand against dbus-broker. Empty when we were not measured at all. */
export function targetOutcomes(result: BenchResult): TargetOutcome[] {
  if (!result.has('ours')) return [];
  return TARGETS.map((target) => {
    const ratio = ratioOf(result, 'ours', target.figure);
    const met = ratio === undefined ? undefined : target.met(ratio);
    return { figure: target.figure, text: target.text, ratio, met };
  });
}

function outcomeText({ figure, text, ratio, met }: TargetOutcome): string {
  const verdict = met === undefined ? 'not measured' : met ? 'met' : 'missed';
  const by = ratio === undefined ? '' : ` (${ratio.toFixed(2)}x)`;
  return `target ${figure}, ${text}: ${verdict}${by}`;
}

/** What a large policy costs: the mean ratio of our two columns, and the worst. */
function policyText(result: BenchResult): string[] {
  const ratios = FIGURES.flatMap(({ id, unit }) => {
    const without = medianOf(result, 'ours', id);
    const withPolicies = medianOf(result, 'ours-system-d', id);
    if (without === undefined || withPolicies === undefined) return [];
    return [unit === 'us' ? withPolicies / without : without / withPolicies];
  });
  if (ratios.length === 0) return [];
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  const cost = ((mean - 1) * 100).toFixed(1);
  const worst = ((Math.max(...ratios) - 1) * 100).toFixed(1);
  return [
    `all of system.d loaded costs ${cost} % over all figures (at worst ${worst} % in one of them)`,
  ];
}

function heapText(result: BenchResult): string[] {
  const heap = result.get('ours')?.heap;
  if (heap === undefined) return [];
  if (heap.beforeBytes === null || heap.afterBytes === null) {
    return ['heap: the bus does not report org.bus1.Heap.UsedBytes'];
  }
  const grown = heap.afterBytes - heap.beforeBytes;
  return [`heap: ${grown} bytes more after ${heap.calls} calls (from ${heap.beforeBytes})`];
}

/** What a person reads: the table, the targets, and what could not be measured. */
export function reportText(result: BenchResult): string {
  const compared = result.has(REFERENCE) && result.size > 1;
  return [
    tableText(result),
    ...(compared ? ['', `in brackets: relative to ${REFERENCE}`] : []),
    ...targetOutcomes(result).map(outcomeText),
    ...policyText(result),
    ...heapText(result),
    ...failuresOf(result),
    '',
  ].join('\n');
}

/** One line for each thing that went wrong. */
export function failuresOf(result: BenchResult): string[] {
  return [...result].flatMap(([bus, { failures }]) =>
    failures.map((reason) => `not measured: ${bus}: ${reason}`),
  );
}

/** The same for a program, with the value of each round and the machine they were measured on. */
export function reportJson(result: BenchResult, options: BenchOptions): string {
  const machine = {
    node: process.version,
    kernel: release(),
    arch: process.arch,
    cpu: cpus()[0]?.model,
    cpus: cpus().length,
  };
  const medians = Object.fromEntries(
    [...result.keys()].map((bus) => [
      bus,
      Object.fromEntries(FIGURES.map(({ id }) => [id, medianOf(result, bus, id) ?? null])),
    ]),
  );
  const rounds = Object.fromEntries(result);
  const report = { machine, options, medians, rounds, targets: targetOutcomes(result) };
  return `${JSON.stringify(report, null, 2)}\n`;
}

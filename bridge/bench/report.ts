import { CONTENDERS } from './contenders.js';
import type { ContenderId } from './contenders.js';
import { FIGURES } from './figures.js';
import type { Figure } from './figures.js';
import { absencesOf, failuresOf, medianOf, ratioOf } from './result.js';
import type { BenchResult, TableResult } from './result.js';
import { TABLES } from './tables.js';
import type { TableId } from './tables.js';
import { isMet, targetText } from './target.js';
import type { Target } from './target.js';

function formatValue(figure: Figure, value: number | undefined): string {
  if (value === undefined) return '-';
  if (figure.unit === 'us') return `${value.toFixed(1)} us`;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)}/s`;
}

function formatCell(
  result: TableResult,
  contender: ContenderId,
  reference: ContenderId,
  figure: (typeof FIGURES)[number],
): string {
  const value = formatValue(figure, medianOf(result, contender, figure.id));
  const ratio =
    contender === reference ? undefined : ratioOf(result, contender, reference, figure.id);
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

/** The table: a line for each figure that was measured, a column for each contender. */
export function tableText(id: TableId, result: TableResult): string {
  const { reference } = TABLES[id];
  const columns = [...result.keys()].filter(
    (contender) => result.get(contender)?.absent === undefined,
  );
  const measured = FIGURES.filter((figure) =>
    columns.some((contender) => medianOf(result, contender, figure.id) !== undefined),
  );
  return formatTable([
    ['', ...columns.map((contender) => CONTENDERS[contender].title)],
    ...measured.map((figure) => [
      figure.title,
      ...columns.map((contender) => formatCell(result, contender, reference, figure)),
    ]),
  ]);
}

export interface TargetOutcome {
  readonly target: Target;
  /** The ratio, or the figure itself; undefined where one of the two was not measured. */
  readonly value: number | undefined;
  readonly met: boolean | undefined;
}

/** How we stand, as far as those that a target is about were to be measured. */
export function targetOutcomes(id: TableId, result: TableResult): TargetOutcome[] {
  return TABLES[id].targets
    .filter(({ of, than = of }) => result.has(of) && result.has(than))
    .map((target) => {
      const { figure, of, than } = target;
      const value =
        than === undefined ? medianOf(result, of, figure) : ratioOf(result, of, than, figure);
      return { target, value, met: value === undefined ? undefined : isMet(target, value) };
    });
}

function outcomeText({ target, value, met }: TargetOutcome): string {
  const verdict = met === undefined ? 'not measured' : met ? 'met' : 'missed';
  const unit = target.than === undefined ? '' : 'x';
  const by = value === undefined ? '' : ` (${value.toFixed(2)}${unit})`;
  return `target ${targetText(target)}: ${verdict}${by}`;
}

/** What a large policy costs: the mean ratio of our two columns, and the worst. */
function policyText(result: TableResult): string[] {
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

function heapText(result: TableResult): string[] {
  const heap = result.get('ours')?.heap;
  if (heap === undefined) return [];
  if (heap.beforeBytes === null || heap.afterBytes === null) {
    return ['heap: the bus does not report org.bus1.Heap.UsedBytes'];
  }
  const grown = heap.afterBytes - heap.beforeBytes;
  return [`heap: ${grown} bytes more after ${heap.calls} calls (from ${heap.beforeBytes})`];
}

function sectionText(id: TableId, result: TableResult): string {
  const { title, reference } = TABLES[id];
  const compared = result.has(reference) && result.size > 1;
  return [
    compared ? `${title} (in brackets: relative to ${reference})` : title,
    '',
    tableText(id, result),
    '',
    ...targetOutcomes(id, result).map(outcomeText),
    ...policyText(result),
    ...heapText(result),
    '',
    '',
  ].join('\n');
}

/** What a person reads: the tables, the targets, and what could not be measured. */
export function reportText(result: BenchResult): string {
  const sections = [...result].map(([id, table]) => sectionText(id, table));
  const rest = [...absencesOf(result), ...failuresOf(result)];
  return [...sections, ...rest.map((line) => `${line}\n`)].join('');
}

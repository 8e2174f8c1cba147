import type { ContenderId } from './contenders.js';
import type { FigureId } from './figures.js';
import type { HeapGrowth } from './heap.js';
import { median } from './statistics.js';
import type { TableId } from './tables.js';

/** What was measured of one contender. */
export interface ContenderResult {
  /** One value a round. */
  readonly figures: Partial<Record<FigureId, number[]>>;
  /** Why something was not measured. */
  readonly failures: string[];
  /** What is not installed here, so that nothing could be measured. */
  absent?: string;
  heap?: HeapGrowth | undefined;
}

/** The columns of a table. */
export type TableResult = ReadonlyMap<ContenderId, ContenderResult>;

export type BenchResult = ReadonlyMap<TableId, TableResult>;

/** Median over the rounds; undefined where nothing was measured. */
export function medianOf(
  result: TableResult,
  contender: ContenderId,
  figure: FigureId,
): number | undefined {
  const values = result.get(contender)?.figures[figure];
  return values === undefined || values.length === 0 ? undefined : median(values);
}

/** How `contender` compares with `reference`: its median divided by the other's. */
export function ratioOf(
  result: TableResult,
  contender: ContenderId,
  reference: ContenderId,
  figure: FigureId,
): number | undefined {
  const value = medianOf(result, contender, figure);
  const other = medianOf(result, reference, figure);
  return value === undefined || other === undefined || other === 0 ? undefined : value / other;
}

/** One line for each thing that went wrong. */
export function failuresOf(result: BenchResult): string[] {
  return linesOf(result, ({ failures }) => failures.map((reason) => ['not measured', reason]));
}

/** One line for each contender that is not installed. */
export function absencesOf(result: BenchResult): string[] {
  return linesOf(result, ({ absent }) => (absent === undefined ? [] : [['left out', absent]]));
}

function linesOf(result: BenchResult, of: (one: ContenderResult) => string[][]): string[] {
  return [...result.values()].flatMap((table) =>
    [...table].flatMap(([contender, one]) =>
      of(one).map(([what, reason]) => `${what}: ${contender}: ${reason}`),
    ),
  );
}

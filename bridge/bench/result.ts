import type { ContenderId } from './contenders.js';
import type { FigureId } from './figures.js';
import type { HeapGrowth } from './heap.js';
import { bootstrap, median, type Interval } from './statistics.js';
import type { TableId } from './tables.js';

/** What was measured of one contender. */
export interface ContenderResult {
  /** One value a round. */
  readonly figures: Partial<Record<FigureId, number[]>>;
  /** Why something was not measured. */
  readonly failures: string[];
  /** Why it was started again in between. */
  readonly interruptions: string[];
  /** What is not installed here, so that nothing could be measured. */
  absent?: string;
  heap?: HeapGrowth | undefined;
  /** resident memory of the bus's processes, in bytes: right after its start, and after all rounds */
  restBytes?: number | undefined;
  endBytes?: number | undefined;
  /** share of the bus's processor time that was spent in the kernel, over all rounds */
  systemShare?: number | undefined;
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

/** A value with the interval in which it lies with a confidence of 95 %. */
export interface Estimate extends Interval {
  readonly value: number;
}

/** The median over the rounds, with its interval. */
export function estimateOf(
  result: TableResult,
  contender: ContenderId,
  figure: FigureId,
): Estimate | undefined {
  const values = result.get(contender)?.figures[figure] ?? [];
  if (values.length === 0) return undefined;
  const interval = bootstrap(values.length, (drawn) => medianOfDrawn(values, drawn));
  return { value: median(values), ...interval };
}

/**
 * How `contender` compares with `reference`: its median divided by the other's. The rounds of both are drawn together,
 * since other load on the machine in a round has affected both.
 */
export function ratioOf(
  result: TableResult,
  contender: ContenderId,
  reference: ContenderId,
  figure: FigureId,
): Estimate | undefined {
  const values = result.get(contender)?.figures[figure] ?? [];
  const others = result.get(reference)?.figures[figure] ?? [];
  const rounds = Math.min(values.length, others.length);
  if (rounds === 0 || median(others) === 0) return undefined;
  const interval = bootstrap(
    rounds,
    (drawn) => medianOfDrawn(values, drawn) / medianOfDrawn(others, drawn),
  );
  return { value: median(values) / median(others), ...interval };
}

function medianOfDrawn(values: readonly number[], drawn: readonly number[]): number {
  return median(drawn.map((round) => values[round] ?? Number.NaN));
}

/** Whether the interval of a ratio leaves open who is better. */
export function isUndecided({ low, high }: Interval): boolean {
  return low <= 1 && high >= 1;
}

/** One line for each thing that went wrong. */
export function failuresOf(result: BenchResult): string[] {
  return linesOf(result, ({ failures }) => failures.map((reason) => ['not measured', reason]));
}

/** One line for each time that a contender was started again. */
export function interruptionsOf(result: BenchResult): string[] {
  return linesOf(result, ({ interruptions }) =>
    interruptions.map((reason) => ['started again', reason]),
  );
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

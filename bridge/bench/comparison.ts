import type { ContenderId } from './contenders.js';
import { FIGURES, mainFigure, ROWS, unitOf, type Row, type Unit } from './figures.js';
import { estimateOf, medianOf, ratioOf, type Estimate, type TableResult } from './result.js';

/** The results of one contender in one row. */
export interface Line {
  readonly row: Row;
  readonly contender: ContenderId;
  readonly unit: Unit;
  readonly estimate: Estimate;
  /** how many times as good as the reference; undefined for the reference itself and where it was not measured */
  readonly advantage?: Estimate | undefined;
  /** of a row of latencies, in microseconds */
  readonly p99?: number | undefined;
  readonly p999?: number | undefined;
  readonly worst?: number | undefined;
  /** processor time of the bus for each message that it carried, in microseconds */
  readonly cpuUs?: number | undefined;
}

/** The lines of a table: row by row, and in each row contender by contender. */
export function compare(result: TableResult, reference: ContenderId): Line[] {
  return ROWS.flatMap((row) =>
    [...result.keys()].flatMap((contender) => lineOf(result, reference, row, contender) ?? []),
  );
}

function lineOf(
  result: TableResult,
  reference: ContenderId,
  row: Row,
  contender: ContenderId,
): Line | undefined {
  const figure = mainFigure(row);
  const estimate = estimateOf(result, contender, figure);
  if (estimate === undefined) return undefined;
  const isReference = contender === reference;
  return {
    row,
    contender,
    unit: unitOf(row),
    estimate,
    advantage: isReference ? undefined : advantageOf(result, contender, reference, row),
    p99: medianOf(result, contender, `${row}-p99`),
    p999: medianOf(result, contender, `${row}-p99.9`),
    worst: worstOf(result, contender, row),
    cpuUs: medianOf(result, contender, `${row}-cpu`),
  };
}

/** How many times as good one is as another: where less is better, the ratio is inverted. */
export function advantageOf(
  result: TableResult,
  contender: ContenderId,
  reference: ContenderId,
  row: Row,
): Estimate | undefined {
  const figure = mainFigure(row);
  const isShortBetter = unitOf(row) !== 'per second';
  return isShortBetter
    ? ratioOf(result, reference, contender, figure)
    : ratioOf(result, contender, reference, figure);
}

function worstOf(result: TableResult, contender: ContenderId, row: Row): number | undefined {
  const values = result.get(contender)?.figures[`${row}-worst`] ?? [];
  return values.length === 0 ? undefined : Math.max(...values);
}

/** Whether any figure of a row was measured. */
export function isMeasured(result: TableResult, row: Row): boolean {
  return FIGURES.some(
    (figure) =>
      figure.row === row &&
      [...result.keys()].some((contender) => medianOf(result, contender, figure.id) !== undefined),
  );
}

import { percentile } from './statistics.js';

/** One number of the report. A row of the load generator yields one, or two. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly unit: 'us' | 'per second';
}

export const FIGURES = [
  { id: 'round-trip-32-p50', title: 'round trip, 32 bytes, p50', unit: 'us' },
  { id: 'round-trip-32-p99', title: 'round trip, 32 bytes, p99', unit: 'us' },
  { id: 'outstanding-64', title: 'calls, 64 outstanding', unit: 'per second' },
  { id: 'one-way', title: 'one-way calls', unit: 'per second' },
  { id: 'round-trip-64k-p50', title: 'round trip, 64 KiB, p50', unit: 'us' },
  { id: 'round-trip-1m-p50', title: 'round trip, 1 MiB, p50', unit: 'us' },
  { id: 'signal-1', title: 'signals, 1 subscriber', unit: 'per second' },
  { id: 'signal-10', title: 'signals, 10 subscribers', unit: 'per second' },
  { id: 'idle', title: 'wake-ups', unit: 'per second' },
] as const satisfies readonly Figure[];

export type FigureId = (typeof FIGURES)[number]['id'];

/** What one run of a row has measured. */
export type Measured = Partial<Record<FigureId, number>>;

export const ROWS = [
  'round-trip-32',
  'outstanding-64',
  'one-way',
  'round-trip-64k',
  'round-trip-1m',
  'signal-1',
  'signal-10',
  'idle',
] as const;

export type Row = (typeof ROWS)[number];

/** How many calls are under way at a time in the row of that name. */
export const OUTSTANDING = 64;

const ROUND_TRIP_BYTES = {
  'round-trip-32': 32,
  'round-trip-64k': 64 << 10,
  'round-trip-1m': 1 << 20,
} as const;

export type RoundTripRow = keyof typeof ROUND_TRIP_BYTES;

/** Length of the body that goes there and back; undefined for another kind of row. */
export function roundTripBytes(row: Row): number | undefined {
  return Object.hasOwn(ROUND_TRIP_BYTES, row) ? ROUND_TRIP_BYTES[row as RoundTripRow] : undefined;
}

/** The figures of a row of round trips; `sorted` is how long they took, in microseconds, ascending. */
export function roundTripFigures(row: Row, sorted: Float64Array): Measured {
  const p50 = percentile(sorted, 0.5);
  if (row !== 'round-trip-32') return { [`${row}-p50`]: p50 };
  return { 'round-trip-32-p50': p50, 'round-trip-32-p99': percentile(sorted, 0.99) };
}

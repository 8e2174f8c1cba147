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
] as const;

export type Row = (typeof ROWS)[number];

/** Whether `row` is about signals; the raw socket knows no subscribers. */
export function isSignalRow(row: Row): boolean {
  return row === 'signal-1' || row === 'signal-10';
}

/** What we promise: our figure against that of dbus-broker in the same run. */
export interface Target {
  readonly figure: FigureId;
  readonly text: string;
  /** `ratio` is ours divided by dbus-broker's. */
  met(ratio: number): boolean;
}

export const TARGETS: readonly Target[] = [
  { figure: 'round-trip-32-p50', text: 'no slower', met: (ratio) => ratio <= 1 },
  { figure: 'outstanding-64', text: 'at least 3 times as many', met: (ratio) => ratio >= 3 },
  { figure: 'one-way', text: 'at least 2 times as many', met: (ratio) => ratio >= 2 },
  { figure: 'round-trip-64k-p50', text: 'no slower', met: (ratio) => ratio <= 1 },
];

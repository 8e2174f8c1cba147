import { keysOf } from './keys.js';
import { percentile } from './statistics.js';

/** How long something takes, how often it can be done, how much memory it needs. */
export type Unit = 'us' | 'per second' | 'KiB';

/** What a row of the report measures, one after the other. */
interface RowKind {
  readonly title: string;
  readonly unit: Unit;
  /** of a round trip to the service: the length of the body that goes there and back */
  readonly bodyBytes?: number;
  /** of a broadcast: how many connections subscribe to it */
  readonly subscribers?: Subscribers;
}

/** Numbers of subscribers for which there is a row. */
export const SUBSCRIBER_COUNTS = [1, 16, 64, 256] as const;
export type Subscribers = (typeof SUBSCRIBER_COUNTS)[number];

const ROW_KINDS = {
  'round-trip-32': { title: 'round trip, 32 bytes', unit: 'us', bodyBytes: 32 },
  'round-trip-4k': { title: 'round trip, 4 KiB', unit: 'us', bodyBytes: 4 << 10 },
  'round-trip-64k': { title: 'round trip, 64 KiB', unit: 'us', bodyBytes: 64 << 10 },
  'round-trip-1m': { title: 'round trip, 1 MiB', unit: 'us', bodyBytes: 1 << 20 },
  'outstanding-64': { title: 'calls, 64 outstanding', unit: 'per second' },
  'one-way': { title: 'one-way calls', unit: 'per second' },
  'signal-1': { title: 'signals, 1 subscriber', unit: 'per second', subscribers: 1 },
  'signal-16': { title: 'signals, 16 subscribers', unit: 'per second', subscribers: 16 },
  'signal-64': { title: 'signals, 64 subscribers', unit: 'per second', subscribers: 64 },
  'signal-256': { title: 'signals, 256 subscribers', unit: 'per second', subscribers: 256 },
  connect: { title: 'connect, Hello, disconnect', unit: 'us' },
  'first-call': { title: 'connect, Hello, first call', unit: 'us' },
  'request-name': { title: 'RequestName and ReleaseName', unit: 'us' },
  'add-match': { title: 'AddMatch and RemoveMatch', unit: 'us' },
  property: { title: 'a property of the bus', unit: 'us' },
  idle: { title: 'wake-ups', unit: 'per second' },
  start: { title: 'start until Hello is answered', unit: 'us' },
  memory: { title: 'memory after the start', unit: 'KiB' },
  stop: { title: 'stop', unit: 'us' },
  version: { title: '--version', unit: 'us' },
} as const satisfies Record<string, RowKind>;

export type Row = keyof typeof ROW_KINDS;

export const ROWS = keysOf(ROW_KINDS);

/** Rows for which a bus is started each time, and ended. */
export const START_ROWS: readonly Row[] = ['start', 'memory', 'stop', 'version'];

/** Rows that need more than one connection that subscribes. */
export const SIGNAL_ROWS: readonly Row[] = ROWS.filter((row) => subscribersOf(row) !== undefined);

/** Rows that are about the bus alone. */
export const BUS_ROWS: readonly Row[] = [
  'connect',
  'first-call',
  'request-name',
  'add-match',
  'property',
];

const PERCENTILES = { p50: 0.5, p99: 0.99, 'p99.9': 0.999, worst: 1 } as const;
type Percentile = keyof typeof PERCENTILES;

export type FigureId = Row | `${Row}-${Percentile}` | `${Row}-cpu`;

/** One number of the report. */
export interface Figure {
  readonly id: FigureId;
  readonly row: Row;
  readonly title: string;
  readonly unit: Unit;
}

/** All figures in the order of the report; which of them exist depends on the row and on the contender. */
export const FIGURES: readonly Figure[] = ROWS.flatMap((row): Figure[] => {
  const { title, unit } = ROW_KINDS[row];
  const cpu: Figure = { id: `${row}-cpu`, row, title: `${title}, CPU a message`, unit: 'us' };
  if (unit !== 'us') return [{ id: row, row, title, unit }, cpu];
  const latencies = keysOf(PERCENTILES).map((at): Figure => ({
    id: `${row}-${at}`,
    row,
    title: `${title}, ${at}`,
    unit,
  }));
  return [...latencies, cpu];
});

export function rowTitle(row: Row): string {
  return ROW_KINDS[row].title;
}

export function unitOf(row: Row): Unit {
  return ROW_KINDS[row].unit;
}

/** The figure by which a row is judged. */
export function mainFigure(row: Row): FigureId {
  return ROW_KINDS[row].unit === 'us' ? `${row}-p50` : row;
}

/** What one run of a row has measured. */
export interface Measured {
  readonly figures: Partial<Record<FigureId, number>>;
  /** how many messages the bus has carried for it, from one connection to another */
  readonly messages: number;
}

export const NOTHING: Measured = { figures: {}, messages: 0 };

/** How many calls are under way at a time in the row of that name. */
export const OUTSTANDING = 64;

/** Length of the body that goes there and back; undefined for another kind of row. */
export function roundTripBytes(row: Row): number | undefined {
  const kind: RowKind = ROW_KINDS[row];
  return kind.bodyBytes;
}

/** To how many connections a signal goes; undefined for another kind of row. */
export function subscribersOf(row: Row): Subscribers | undefined {
  const kind: RowKind = ROW_KINDS[row];
  return kind.subscribers;
}

/**
 * The figures of a row of latencies.
 * @param sorted how long each took, in microseconds, ascending
 * @param messagesEach how many messages the bus carries for each
 */
export function latencyFigures(row: Row, sorted: Float64Array, messagesEach = 2): Measured {
  const figures: Partial<Record<FigureId, number>> = {};
  for (const at of keysOf(PERCENTILES)) {
    figures[`${row}-${at}`] = percentile(sorted, PERCENTILES[at]);
  }
  return { figures, messages: sorted.length * messagesEach };
}

/** The figure of a row that counts how often something happens. */
export function rateFigure(row: Row, perSecond: number, messages: number): Measured {
  return { figures: { [row]: perSecond }, messages };
}

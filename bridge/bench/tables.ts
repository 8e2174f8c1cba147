import type { ContenderId } from './contenders.js';
import { BUS_ROWS, ROWS, START_ROWS, type Row } from './figures.js';

/** What is measured at the same time, and shown side by side. */
export interface Table {
  readonly title: string;
  readonly columns: readonly ContenderId[];
  readonly rows: readonly Row[];
  /** the column that all are compared with */
  readonly reference: ContenderId;
  /** where few rounds suffice */
  readonly roundsMax?: number;
}

export const TABLE_IDS = [
  'buses',
  'system-policy',
  'native-policy',
  'idle-connections',
  'match-rules',
  'flooder',
  'deaf-subscriber',
  'busy-machine',
  'native',
  'mapped',
  'dbus-next',
  'legacy',
  'attach-broker',
  'attach-daemon',
  'sandbox',
  'idle',
  'start',
] as const;

export type TableId = (typeof TABLE_IDS)[number];

/** Rows that show what other load costs a conversation. */
const BESIDE: readonly Row[] = ['round-trip-32', 'outstanding-64'];

export const TABLES: Record<TableId, Table> = {
  buses: {
    title: 'Buses under the same load; a raw socket shows what the machine can do',
    columns: ['ours', 'dbus-broker', 'dbus-daemon', 'raw'],
    rows: ROWS.filter((row) => row !== 'idle' && !START_ROWS.includes(row)),
    reference: 'dbus-broker',
  },
  'system-policy': {
    title:
      'With the policies of all system services that are installed, and with a role of 50 grants',
    columns: ['ours-system-d', 'ours-50-grants', 'ours'],
    rows: ['round-trip-32', 'outstanding-64', 'one-way', 'signal-16', ...BUS_ROWS],
    reference: 'ours',
  },
  'native-policy': {
    title: 'Native peers, with the policies of all system services that are installed',
    columns: ['native-system-d', 'native-loop-system-d', 'native-loop', 'native'],
    rows: ['round-trip-32', 'outstanding-64'],
    reference: 'native-loop',
  },
  'idle-connections': besideTable('1,000 idle connections', [
    'ours-idle-connections',
    'dbus-broker-idle-connections',
    'ours',
    'dbus-broker',
  ]),
  'match-rules': besideTable('100,000 match rules of other connections', [
    'ours-match-rules',
    'dbus-broker-match-rules',
    'ours',
    'dbus-broker',
  ]),
  flooder: besideTable('A client that floods another service', [
    'ours-flooder',
    'dbus-broker-flooder',
    'dbus-daemon-flooder',
  ]),
  'deaf-subscriber': besideTable('A subscriber of many signals that does not read', [
    'ours-deaf-subscriber',
    'dbus-broker-deaf-subscriber',
    'dbus-daemon-deaf-subscriber',
  ]),
  'busy-machine': besideTable('Two programs in a busy loop', [
    'ours-busy-loops',
    'two-hosts-busy-loops',
    'native-busy-loops',
    'dbus-broker-busy-loops',
    'dbus-daemon-busy-loops',
  ]),
  native: {
    title: 'Native peers, beside a pair of sockets and the fastest clients of a bus',
    columns: ['native', 'native-loop', 'native-caller', 'socket-c', 'socket', 'dbus-broker'],
    rows: ['round-trip-32', 'round-trip-4k', 'round-trip-64k', 'round-trip-1m', 'outstanding-64'],
    reference: 'dbus-broker',
  },
  mapped: {
    title: 'A native caller and a service on a socket: by a mapping, by name, and by dbus-next',
    columns: ['mapped-service', 'native-caller', 'dbus-next'],
    rows: ['round-trip-32', 'round-trip-4k', 'outstanding-64'],
    reference: 'native-caller',
  },
  'dbus-next': {
    title: 'Programs in Node’s loop; dbus-next itself goes through dbus-broker',
    columns: ['native-loop', 'dbus-next-native', 'dbus-next'],
    rows: ['round-trip-32', 'outstanding-64'],
    reference: 'dbus-next',
  },
  legacy: {
    title: 'Legacy clients of bus1-bridge run, with a legacy service or a native one',
    columns: ['one-host', 'two-hosts', 'native-service', 'dbus-broker'],
    rows: ['round-trip-32', 'outstanding-64'],
    reference: 'dbus-broker',
  },
  'attach-broker': attachTable('dbus-broker', [
    'import-broker',
    'proxied-caller-broker',
    'export-broker',
    'proxied-service-broker',
  ]),
  'attach-daemon': attachTable('dbus-daemon', [
    'import-daemon',
    'proxied-caller-daemon',
    'export-daemon',
    'proxied-service-daemon',
  ]),
  sandbox: {
    title: 'Sandboxes on bus1-bridge, beside xdg-dbus-proxy in front of dbus-broker',
    columns: [
      'sandboxed-caller',
      'proxied-caller-broker',
      'sandboxed-service',
      'proxied-service-broker',
      'dbus-broker',
    ],
    rows: ['round-trip-32', 'outstanding-64', 'round-trip-64k'],
    reference: 'proxied-caller-broker',
  },
  idle: {
    title: 'Idle: all threads of the bridge, its hosts and two native peers',
    columns: ['two-hosts-native'],
    rows: ['idle'],
    reference: 'two-hosts-native',
    roundsMax: 5,
  },
  start: {
    title: 'Start, memory and shutdown of buses; the CPU is that of one start',
    columns: [
      'start-ours',
      'start-two-hosts',
      'start-dbus-broker',
      'start-dbus-daemon',
      'start-node',
    ],
    rows: START_ROWS,
    reference: 'start-dbus-broker',
  },
};

/** A conversation with other load beside it. */
function besideTable(what: string, columns: readonly ContenderId[]): Table {
  const reference = columns.find((column) => column.startsWith('dbus-broker'))!;
  return { title: `${what}, beside a conversation`, columns, rows: BESIDE, reference };
}

/** Both directions, each beside xdg-dbus-proxy on the same side of the same bus. */
function attachTable(
  oldBus: 'dbus-broker' | 'dbus-daemon',
  columns: readonly ContenderId[],
): Table {
  return {
    title: `bus1-bridge attach beside xdg-dbus-proxy, in front of ${oldBus}`,
    columns: [...columns, oldBus],
    rows: ['round-trip-32', 'outstanding-64', 'round-trip-64k'],
    reference: oldBus,
  };
}

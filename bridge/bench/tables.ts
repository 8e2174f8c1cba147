import type { ContenderId } from './contenders.js';
import type { Row } from './figures.js';
import { target } from './target.js';
import type { Target } from './target.js';

/** What is measured at the same time, and printed side by side. */
export interface Table {
  readonly title: string;
  readonly columns: readonly ContenderId[];
  readonly rows: readonly Row[];
  /** the column that all are compared with */
  readonly reference: ContenderId;
  readonly targets: readonly Target[];
  /** where few rounds say enough */
  readonly roundsMax?: number;
}

export const TABLE_IDS = [
  'buses',
  'native',
  'dbus-next',
  'legacy',
  'attach-broker',
  'attach-daemon',
  'idle',
] as const;

export type TableId = (typeof TABLE_IDS)[number];

export const TABLES: Record<TableId, Table> = {
  buses: {
    title: 'Buses, one in the place of another',
    columns: ['ours', 'ours-system-d', 'dbus-broker', 'dbus-daemon', 'raw'],
    rows: [
      'round-trip-32',
      'outstanding-64',
      'one-way',
      'round-trip-64k',
      'round-trip-1m',
      'signal-1',
      'signal-10',
    ],
    reference: 'dbus-broker',
    targets: [
      target('round-trip-32-p50', 'ours', '<=', 1, 'dbus-broker'),
      target('outstanding-64', 'ours', '>=', 3, 'dbus-broker'),
      target('one-way', 'ours', '>=', 2, 'dbus-broker'),
      target('round-trip-64k-p50', 'ours', '<=', 1, 'dbus-broker'),
    ],
  },
  native: {
    title: 'Native peers, beside a pair of sockets and the fastest clients of a bus',
    columns: ['native', 'native-loop', 'socket-c', 'socket', 'dbus-broker'],
    rows: ['round-trip-32', 'outstanding-64', 'round-trip-1m'],
    reference: 'dbus-broker',
    targets: [
      target('round-trip-32-p50', 'native', '<=', 1, 'socket-c'),
      target('round-trip-32-p50', 'native', '<', 1 / 3, 'dbus-broker'),
      target('outstanding-64', 'native-loop', '>', 1, 'dbus-broker'),
      target('round-trip-1m-p50', 'native', '<=', 0.4, 'dbus-broker'),
    ],
  },
  'dbus-next': {
    title: 'Programs in Node’s loop; dbus-next itself goes through dbus-broker',
    columns: ['native-loop', 'dbus-next-native', 'dbus-next'],
    rows: ['round-trip-32', 'outstanding-64'],
    reference: 'dbus-next',
    targets: [
      target('round-trip-32-p50', 'native-loop', '<', 1 / 6, 'dbus-next'),
      target('outstanding-64', 'native-loop', '>=', 30, 'dbus-next'),
      target('round-trip-32-p50', 'dbus-next-native', '<=', 1 / 3, 'dbus-next'),
      target('outstanding-64', 'dbus-next-native', '>=', 3, 'dbus-next'),
    ],
  },
  legacy: {
    title: 'Legacy clients of bus1-bridge run, with a legacy service or a native one',
    columns: ['one-host', 'two-hosts', 'native-service', 'dbus-broker'],
    rows: ['round-trip-32', 'outstanding-64'],
    reference: 'dbus-broker',
    targets: [
      target('round-trip-32-p50', 'native-service', '<=', 1, 'dbus-broker'),
      target('round-trip-32-p50', 'two-hosts', '<=', 1.6, 'one-host'),
      target('outstanding-64', 'two-hosts', '>', 1, 'dbus-broker'),
    ],
  },
  'attach-broker': attachTable('dbus-broker', {
    imported: 'import-broker',
    exported: 'export-broker',
    proxiedCaller: 'proxied-caller-broker',
    proxiedService: 'proxied-service-broker',
  }),
  'attach-daemon': attachTable('dbus-daemon', {
    imported: 'import-daemon',
    exported: 'export-daemon',
    proxiedCaller: 'proxied-caller-daemon',
    proxiedService: 'proxied-service-daemon',
  }),
  idle: {
    title: 'Silence: all threads of the bridge, its hosts and two native peers',
    columns: ['two-hosts-native'],
    rows: ['idle'],
    reference: 'two-hosts-native',
    targets: [target('idle', 'two-hosts-native', '<=', 0)],
    roundsMax: 5,
  },
};

interface AttachColumns {
  readonly imported: ContenderId;
  readonly exported: ContenderId;
  readonly proxiedCaller: ContenderId;
  readonly proxiedService: ContenderId;
}

/** Both directions, each beside xdg-dbus-proxy on the same side of the same bus. */
function attachTable(
  oldBus: 'dbus-broker' | 'dbus-daemon',
  { imported, exported, proxiedCaller, proxiedService }: AttachColumns,
): Table {
  return {
    title: `bus1-bridge attach beside xdg-dbus-proxy, in front of ${oldBus}`,
    columns: [imported, proxiedCaller, exported, proxiedService, oldBus],
    rows: ['round-trip-32', 'outstanding-64', 'round-trip-64k'],
    reference: oldBus,
    targets: [
      ...lessThanProxy(imported, proxiedCaller),
      ...lessThanProxy(exported, proxiedService),
    ],
  };
}

function lessThanProxy(ours: ContenderId, proxy: ContenderId): Target[] {
  return [
    target('round-trip-32-p50', ours, '<', 1, proxy),
    target('outstanding-64', ours, '>', 1, proxy),
    target('round-trip-64k-p50', ours, '<', 1, proxy),
  ];
}

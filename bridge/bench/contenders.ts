import { bridge, callerProxied, exporting, importing, serviceProxied } from './bridges.js';
import { dbusBroker, dbusDaemon, dropIn, dropInWithPolicies, noBus } from './buses.js';
import { compileSocketPair } from './c-program.js';
import { ROWS } from './figures.js';
import type { Row } from './figures.js';
import type { CallerKind, ServiceKind } from './programs.js';
import type { Place, StartBus } from './running-bus.js';
import { Session } from './session.js';

/** One way for a caller to reach a service: a column of the report. */
export interface Contender {
  readonly title: string;
  /** what it can do */
  readonly rows: readonly Row[];
  /** Starts all that it needs. @throws Absent */
  open(place: Place): Promise<Session>;
}

const WITHOUT_SIGNALS = ROWS.filter((row) => row !== 'signal-1' && row !== 'signal-10');
const ROUND_TRIPS: readonly Row[] = ['round-trip-32', 'round-trip-64k', 'round-trip-1m'];
/** The service does not count what it has not been asked to answer. */
const CALLS: readonly Row[] = [...ROUND_TRIPS, 'outstanding-64', 'idle'];

/** Subscribers, and a caller, on a bus. */
function onBus(title: string, startBus: StartBus): Contender {
  return conversation(title, ROWS, startBus, 'subscribers', 'bus');
}

/** A service with one connection, and a caller. */
function legacy(title: string, startBus: StartBus, caller: CallerKind = 'bus'): Contender {
  return conversation(title, WITHOUT_SIGNALS, startBus, 'bus', caller);
}

function conversation(
  title: string,
  rows: readonly Row[],
  startBus: StartBus,
  service: ServiceKind,
  caller: CallerKind,
): Contender {
  return { title, rows, open: (place) => Session.open(place, startBus, service, caller) };
}

export const CONTENDERS = {
  ours: onBus('bus1-bridge', dropIn),
  'ours-system-d': onBus('+ system.d', dropInWithPolicies),
  'dbus-broker': onBus('dbus-broker', dbusBroker),
  'dbus-daemon': onBus('dbus-daemon', dbusDaemon),
  raw: conversation('raw socket', WITHOUT_SIGNALS, noBus, 'raw', 'raw'),

  native: conversation('native, blocking', ROUND_TRIPS, bridge(1), 'native', 'native'),
  'native-loop': conversation('native, async', CALLS, bridge(1), 'native-loop', 'native-loop'),
  'socket-c': {
    title: 'socket, C',
    rows: ['round-trip-32'],
    open: async ({ directory }) =>
      Session.ofProgram('socket-pair', await compileSocketPair(directory)),
  },
  socket: conversation('socket, Node', ['round-trip-32'], noBus, 'socket', 'socket'),

  'dbus-next': conversation('dbus-next', CALLS, dbusBroker, 'dbus-next', 'dbus-next'),
  'dbus-next-native': conversation(
    'bus1-bridge/dbus-next',
    CALLS,
    bridge(1),
    'dbus-next-native',
    'dbus-next-native',
  ),

  'one-host': legacy('one host', bridge(1)),
  'two-hosts': legacy('two hosts', bridge(2), 'other-host'),
  'native-service': conversation('native service', CALLS, bridge(1), 'native', 'bus'),

  'import-broker': legacy('imported', importing(dbusBroker)),
  'export-broker': legacy('exported', exporting(dbusBroker)),
  'proxied-caller-broker': legacy('proxied caller', callerProxied(dbusBroker)),
  'proxied-service-broker': legacy('proxied service', serviceProxied(dbusBroker)),
  'import-daemon': legacy('imported', importing(dbusDaemon)),
  'export-daemon': legacy('exported', exporting(dbusDaemon)),
  'proxied-caller-daemon': legacy('proxied caller', callerProxied(dbusDaemon)),
  'proxied-service-daemon': legacy('proxied service', serviceProxied(dbusDaemon)),

  'two-hosts-native': conversation(
    'two hosts, two peers',
    CALLS,
    bridge(2),
    'native',
    'native-loop',
  ),
} as const satisfies Record<string, Contender>;

export type ContenderId = keyof typeof CONTENDERS;

export const CONTENDER_IDS = Object.keys(CONTENDERS) as ContenderId[];

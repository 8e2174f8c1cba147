import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { keysOf } from './keys.js';
import {
  bridge,
  bridgeWithMapping,
  bridgeWithPolicies,
  callerProxied,
  exporting,
  importing,
  sandboxed,
  serviceProxied,
} from './bridges.js';
import {
  commandPath,
  dbusBroker,
  dbusDaemon,
  dropIn,
  dropInWithGrants,
  dropInWithPolicies,
  noBus,
} from './buses.js';
import { Child } from './child.js';
import { BUS_ROWS, roundTripBytes, ROWS, SIGNAL_ROWS, START_ROWS } from './figures.js';
import type { Row } from './figures.js';
import { programPath, type CallerKind, type CompanionKind, type ServiceKind } from './programs.js';
import { CallerSession, type Measurable } from './caller-session.js';
import { StartSession, type CommandLine } from './start-session.js';
import { Absent, needProgram, type Place, type StartBus } from './running-bus.js';

/** One way for a caller to reach a service: a column of the report. */
export interface Contender {
  readonly title: string;
  /** what it can do */
  readonly rows: readonly Row[];
  /** Starts all that it needs. @throws Absent */
  open(place: Place): Promise<Measurable>;
}

const CONVERSATION = ROWS.filter((row) => !START_ROWS.includes(row));
const WITHOUT_SIGNALS = CONVERSATION.filter((row) => !SIGNAL_ROWS.includes(row));
const WITHOUT_BUS = WITHOUT_SIGNALS.filter((row) => !BUS_ROWS.includes(row));
const ROUND_TRIPS = CONVERSATION.filter((row) => roundTripBytes(row) !== undefined);
/** Without the row of one-way calls, which some services do not count. */
const CALLS: readonly Row[] = [...ROUND_TRIPS, 'outstanding-64', 'idle'];

const OURS = [process.execPath, commandPath('bus1-dbus-daemon')] as const;
const BRIDGE = [process.execPath, commandPath('bus1-bridge')] as const;

/** Subscribers, and a caller, on a bus. */
function onBus(title: string, startBus: StartBus): Contender {
  return conversation(title, CONVERSATION, startBus, 'subscribers', 'bus');
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
  return { title, rows, open: (place) => CallerSession.open(place, startBus, service, caller) };
}

/** A bus that is started again and again; `version` is a command line of its program. */
function starting(title: string, startBus: StartBus, ...version: CommandLine): Contender {
  return {
    title,
    rows: START_ROWS,
    open: async (place) => new StartSession(place, startBus, version),
  };
}

/** A conversation on a bus that carries other load at the same time. */
function beside(
  title: string,
  startBus: StartBus,
  companions: readonly CompanionKind[],
  service: ServiceKind = 'bus',
  caller: CallerKind = 'bus',
): Contender {
  const start: StartBus = async (place) => {
    const bus = await startBus(place);
    const children = companions.map((kind) => startCompanion(kind, bus.path));
    const close = async (): Promise<void> => {
      for (const child of children) await child.stop();
      await bus.close();
    };
    try {
      for (const child of children) await child.readLine(COMPANION_TIMEOUT_MS);
    } catch (error) {
      await close();
      throw error;
    }
    return { ...bus, close };
  };
  return conversation(title, CALLS, start, service, caller);
}

const COMPANION_TIMEOUT_MS = 60_000;

function startCompanion(kind: CompanionKind, path: string): Child {
  return new Child(`companion (${kind})`, process.execPath, [programPath('companion'), kind, path]);
}

const BUSY_LOOPS: readonly CompanionKind[] = ['busy-loop', 'busy-loop'];

const run = promisify(execFile);

/** It exists only in the repository: no installed part of this package is written in C. */
const SOURCE = resolve(import.meta.dirname, '../../../test/bench/socket-pair.c');

/** Compiles socket-pair.c into `directory`; returns the program. @throws Absent */
async function compileSocketPair(directory: string): Promise<string> {
  if (!existsSync(SOURCE)) throw new Absent(`${SOURCE} does not exist`);
  needProgram('cc');
  const program = join(directory, 'socket-pair');
  await run('cc', ['-O2', '-Wall', '-o', program, SOURCE]);
  return program;
}

export const CONTENDERS = {
  ours: onBus('bus1-bridge', dropIn),
  'ours-system-d': onBus('+ system.d', dropInWithPolicies),
  'ours-50-grants': conversation('+ 50 grants', CALLS, dropInWithGrants, 'bus', 'bus'),
  'dbus-broker': onBus('dbus-broker', dbusBroker),
  'dbus-daemon': onBus('dbus-daemon', dbusDaemon),
  raw: conversation('raw socket', WITHOUT_BUS, noBus, 'raw', 'raw'),

  'ours-idle-connections': beside('bus1-bridge, beside', dropIn, ['idle-connections']),
  'dbus-broker-idle-connections': beside('dbus-broker, beside', dbusBroker, ['idle-connections']),
  'ours-match-rules': beside('bus1-bridge, beside', dropIn, ['match-rules']),
  'dbus-broker-match-rules': beside('dbus-broker, beside', dbusBroker, ['match-rules']),
  'ours-flooder': beside('bus1-bridge', dropIn, ['flooder']),
  'dbus-broker-flooder': beside('dbus-broker', dbusBroker, ['flooder']),
  'dbus-daemon-flooder': beside('dbus-daemon', dbusDaemon, ['flooder']),
  'ours-deaf-subscriber': beside('bus1-bridge', dropIn, ['deaf-subscriber']),
  'dbus-broker-deaf-subscriber': beside('dbus-broker', dbusBroker, ['deaf-subscriber']),
  'dbus-daemon-deaf-subscriber': beside('dbus-daemon', dbusDaemon, ['deaf-subscriber']),
  'ours-busy-loops': beside('bus1-bridge', dropIn, BUSY_LOOPS),
  'two-hosts-busy-loops': beside('two hosts', bridge(2), BUSY_LOOPS, 'bus', 'other-host'),
  'native-busy-loops': beside(
    'two native peers',
    bridge(1),
    BUSY_LOOPS,
    'native-loop',
    'native-loop',
  ),
  'dbus-broker-busy-loops': beside('dbus-broker', dbusBroker, BUSY_LOOPS),
  'dbus-daemon-busy-loops': beside('dbus-daemon', dbusDaemon, BUSY_LOOPS),

  native: conversation('native, blocking', ROUND_TRIPS, bridge(1), 'native', 'native'),
  'native-loop': conversation('native, async', CALLS, bridge(1), 'native-loop', 'native-loop'),
  'native-system-d': conversation(
    'native, system.d',
    ROUND_TRIPS,
    bridgeWithPolicies,
    'native',
    'native',
  ),
  'native-loop-system-d': conversation(
    'async, system.d',
    CALLS,
    bridgeWithPolicies,
    'native-loop',
    'native-loop',
  ),
  'native-caller': conversation('native to a socket', CALLS, bridge(1), 'bus', 'native-loop'),
  'mapped-service': conversation('mapped', CALLS, bridgeWithMapping, 'bus', 'native-loop'),
  'socket-c': {
    title: 'socket, C',
    rows: ['round-trip-32'],
    open: async ({ directory }) =>
      CallerSession.ofProgram('socket-pair', await compileSocketPair(directory)),
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

  'sandboxed-caller': legacy('sandboxed caller', sandboxed('caller')),
  'sandboxed-service': legacy('sandboxed service', sandboxed('service')),

  'start-ours': starting('ours', dropIn, ...OURS, '--version'),
  'start-two-hosts': starting('run --hosts 2', bridge(2), ...BRIDGE, '--version'),
  'start-dbus-broker': starting('dbus-broker', dbusBroker, 'dbus-broker-launch', '--version'),
  'start-dbus-daemon': starting('dbus-daemon', dbusDaemon, 'dbus-daemon', '--version'),
  /* what Node needs for an empty program */
  'start-node': {
    title: 'node -e 0',
    rows: ['version'],
    open: async (place) => new StartSession(place, undefined, [process.execPath, '-e', '0']),
  },

  'two-hosts-native': conversation(
    'two hosts, two peers',
    CALLS,
    bridge(2),
    'native',
    'native-loop',
  ),
} as const satisfies Record<string, Contender>;

export type ContenderId = keyof typeof CONTENDERS;

export const CONTENDER_IDS = keysOf(CONTENDERS);

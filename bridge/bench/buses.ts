import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.js';
import { startDbusBroker } from './dbus-broker.js';
import type { Transport } from './names.js';

const READY_TIMEOUT_MS = 10_000;
const SESSION_CONFIG = '/usr/share/dbus-1/session.conf';
/** The policies of all system services that are installed: what a system bus has to load. */
const SYSTEM_POLICIES = '/usr/share/dbus-1/system.d';

export const BUS_IDS = ['ours', 'ours-system-d', 'dbus-broker', 'dbus-daemon', 'raw'] as const;

export type BusId = (typeof BUS_IDS)[number];

export const BUS_TITLES: Record<BusId, string> = {
  ours: 'bus1-bridge',
  'ours-system-d': '+ system.d',
  'dbus-broker': 'dbus-broker',
  'dbus-daemon': 'dbus-daemon',
  raw: 'raw socket',
};

/** What is measured: a bus that runs, or the path at which the echo service will listen itself. */
export interface RunningBus {
  readonly transport: Transport;
  readonly path: string;
  close(): Promise<void>;
}

/** Starts a bus that listens in `directory`. `configFile` is added to the session configuration. */
export function startBus(id: BusId, directory: string, configFile?: string): Promise<RunningBus> {
  return STARTERS[id](join(directory, id), configFile);
}

const STARTERS: Record<BusId, (path: string, configFile?: string) => Promise<RunningBus>> = {
  ours: (path, configFile) => startOurs('ours', path, configFile),
  'ours-system-d': (path) => {
    const file = `${path}-policies.conf`;
    writeFileSync(file, `<busconfig><includedir>${SYSTEM_POLICIES}</includedir></busconfig>\n`);
    return startOurs('ours-system-d', path, file);
  },
  'dbus-daemon': (path, configFile) =>
    startDaemon('dbus-daemon', 'dbus-daemon', [], path, configFile),
  'dbus-broker': async (path) => startDbusBroker(path, SESSION_CONFIG),
  raw: async (path) => ({ transport: 'raw', path, close: async () => undefined }),
};

function startOurs(id: BusId, path: string, configFile?: string): Promise<RunningBus> {
  const program = fileURLToPath(new URL('../cli/bus1-dbus-daemon.js', import.meta.url));
  return startDaemon(id, process.execPath, [program], path, configFile);
}

/** Starts a program with dbus-daemon(1)'s command line, and waits until it prints its address. */
async function startDaemon(
  id: BusId,
  command: string,
  prefix: readonly string[],
  path: string,
  configFile?: string,
): Promise<RunningBus> {
  const config =
    configFile === undefined ? '--session' : `--config-file=${extendedConfig(path, configFile)}`;
  const args = [config, '--nofork', '--print-address=1', `--address=unix:path=${path}`];
  const child = new Child(BUS_TITLES[id], command, [...prefix, ...args]);
  try {
    await child.readLine(READY_TIMEOUT_MS);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return { transport: 'bus', path, close: () => child.stop() };
}

/** The session bus's configuration and `configFile`, as one file. */
function extendedConfig(path: string, configFile: string): string {
  const escaped = resolve(configFile)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
  const file = `${path}.conf`;
  const includes = `<include>${SESSION_CONFIG}</include><include>${escaped}</include>`;
  writeFileSync(file, `<busconfig>${includes}</busconfig>\n`);
  return file;
}

/** Where a program of this folder is, for Node's command line. */
export function programPath(name: 'caller' | 'service'): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}

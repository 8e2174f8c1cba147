import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needProgram, busOf } from './running-bus.js';
import { Child } from './child.js';
import { startDbusBroker } from './dbus-broker.js';
import { BENCH_INTERFACE, NAME_PATTERN } from './names.js';
import type { Place, RunningBus } from './running-bus.js';

export const READY_TIMEOUT_MS = 10_000;
const SESSION_CONFIG = '/usr/share/dbus-1/session.conf';
/** The policies of all system services that are installed: what a system bus has to load. */
const SYSTEM_POLICIES = '/usr/share/dbus-1/system.d';

/** bus1-dbus-daemon, as a session bus. */
export function dropIn(place: Place): Promise<RunningBus> {
  return startDropIn(place, 'ours');
}

/** Like `dropIn`, with the policies of a whole system. */
export function dropInWithPolicies({ directory }: Place): Promise<RunningBus> {
  return startDropIn({ directory, configFile: policiesFile(directory) }, 'ours-system-d');
}

/** A configuration with only these policies. */
function policiesFile(directory: string): string {
  const file = join(directory, 'policies.conf');
  writeFileSync(file, `<busconfig><includedir>${SYSTEM_POLICIES}</includedir></busconfig>\n`);
  return file;
}

/** A session bus's configuration with the policies of a whole system. */
export function sessionWithPolicies(directory: string): string {
  return extendedConfig(join(directory, 'session'), policiesFile(directory));
}

/** Callers have fifty grants by their role, and the grant that the bench needs is the one that is checked last. */
export function dropInWithGrants({ directory }: Place): Promise<RunningBus> {
  const configFile = join(directory, 'grants.yaml');
  const members = ['Echo', ...Array.from({ length: 49 }, (_, i) => `Member${i}`)];
  const call = members.map((member) => ({
    name: NAME_PATTERN,
    interface: BENCH_INTERFACE,
    member,
  }));
  const policies = [
    { context: 'default', rules: [{ deny: { send: { interface: BENCH_INTERFACE } } }] },
  ];
  const roles = { callers: { for: { user: '*' }, call } };
  /* JSON is YAML */
  writeFileSync(configFile, JSON.stringify({ policies, roles }));
  return startDropIn({ directory, configFile }, 'ours-grants');
}

export async function dbusDaemon(place: Place): Promise<RunningBus> {
  needProgram('dbus-daemon');
  return startDaemon(place, 'dbus-daemon', 'dbus-daemon', []);
}

export async function dbusBroker({ directory }: Place): Promise<RunningBus> {
  needProgram('dbus-broker-launch');
  return startDbusBroker(join(directory, 'dbus-broker'), SESSION_CONFIG);
}

/** No bus: the path at which the service will listen itself. */
export async function noBus({ directory }: Place): Promise<RunningBus> {
  const path = join(directory, 'socket');
  return { path, servicePath: path, children: [], close: async () => undefined };
}

/** A program of this package, for Node's command line. */
export function commandPath(name: 'bus1-bridge' | 'bus1-dbus-daemon'): string {
  return fileURLToPath(new URL(`../cli/${name}.js`, import.meta.url));
}

/** Starts a program that writes something, such as its address, when it can be used. */
export async function startChild(
  title: string,
  command: string,
  args: readonly string[],
): Promise<Child> {
  const child = new Child(title, command, args);
  try {
    await child.awaitOutput(READY_TIMEOUT_MS);
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

function startDropIn(place: Place, title: string): Promise<RunningBus> {
  return startDaemon(place, title, process.execPath, [commandPath('bus1-dbus-daemon')]);
}

/** Starts a program with dbus-daemon(1)'s command line. */
async function startDaemon(
  { directory, configFile }: Place,
  title: string,
  command: string,
  prefix: readonly string[],
): Promise<RunningBus> {
  const path = join(directory, title);
  const config =
    configFile === undefined ? '--session' : `--config-file=${extendedConfig(path, configFile)}`;
  const args = [config, '--nofork', '--print-address=1', `--address=unix:path=${path}`];
  return busOf(await startChild(title, command, [...prefix, ...args]), path);
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

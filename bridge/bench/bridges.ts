import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeFd, socketPair, waitReadable } from '#core/linux/index.js';
import { needProgram, busOf } from './running-bus.js';
import { commandPath, dropIn, READY_TIMEOUT_MS, sessionWithPolicies, startChild } from './buses.js';
import { Child } from './child.js';
import { BENCH_INTERFACE, BENCH_PATH, NAME_PATTERN, serviceName } from './names.js';
import type { RunningBus, StartBus } from './running-bus.js';

/** `bus1-bridge run`, with `hosts` processes that carry connections. */
export function bridge(hosts: number): StartBus {
  return async ({ directory }) => {
    const path = join(directory, 'bridge');
    return busOf(await startBridge(path, ['run', '--hosts', String(hosts)]), path);
  };
}

/** With a mapping of the service, so that native callers reach it by a capability to its object. */
export const bridgeWithMapping: StartBus = async ({ directory }) => {
  const path = join(directory, 'bridge');
  const mapping = join(directory, 'bench.yaml');
  writeFileSync(mapping, MAPPING);
  return busOf(await startBridge(path, ['run', '--mapping', mapping]), path);
};

const MAPPING = `service: Bench
bus: session
names: { ${serviceName(0)}: bench }
objects: { bench: { path: ${BENCH_PATH}, interfaces: [${BENCH_INTERFACE}] } }
`;

/** `bus1-bridge run` with the policies of all system services that are installed. */
export const bridgeWithPolicies: StartBus = async ({ directory }) => {
  const path = join(directory, 'bridge');
  const words = ['run', '--config', sessionWithPolicies(directory)];
  return busOf(await startBridge(path, words), path);
};

/** `bus1-bridge attach` beside an old bus; the caller is on the bridge, the service on the old bus. */
export function importing(startOld: StartBus): StartBus {
  return inFrontOf(startOld, 'callers', (old, path) => startAttached(old, path, '--import'));
}

/** The other direction: the caller is on the old bus, the service on the bridge. */
export function exporting(startOld: StartBus): StartBus {
  return inFrontOf(startOld, 'services', (old, path) => startAttached(old, path, '--export'));
}

/** The caller connects to xdg-dbus-proxy, which shows it no more than the service, as in a sandbox. */
export function callerProxied(startOld: StartBus): StartBus {
  return inFrontOf(startOld, 'callers', (old, path) => startProxy(old, path, '--talk'));
}

/** The service connects to xdg-dbus-proxy. */
export function serviceProxied(startOld: StartBus): StartBus {
  return inFrontOf(startOld, 'services', (old, path) => startProxy(old, path, '--own'));
}

/** The caller, or the service, is in a sandbox, and the bridge serves it itself. */
export function sandboxed(users: 'caller' | 'service'): StartBus {
  return async (place) => {
    const bus = await dropIn(place);
    const front = join(place.directory, 'front');
    const life = await openSandbox(bus, front, users === 'caller' ? '--talk' : '--own');
    return {
      path: users === 'caller' ? front : bus.path,
      servicePath: users === 'service' ? front : bus.path,
      children: bus.children,
      close: async () => {
        closeFd(life);
        await bus.close();
      },
    };
  };
}

/** Returns the descriptor that keeps the sandbox's socket alive; the process that requested it has ended. */
async function openSandbox(
  bus: RunningBus,
  path: string,
  rule: '--talk' | '--own',
): Promise<number> {
  const [life, theirs] = socketPair();
  const words = ['sandbox', '--fd=3', `unix:path=${bus.path}`, path, '--filter'];
  const args = [commandPath('bus1-bridge'), ...words, `${rule}=${NAME_PATTERN}`];
  const child = new Child('bus1-bridge sandbox', process.execPath, args, { fds: [theirs] });
  closeFd(theirs);
  const isReady = waitReadable(life, READY_TIMEOUT_MS);
  await child.stop();
  if (isReady) return life;
  closeFd(life);
  await bus.close();
  throw new Error('bus1-bridge sandbox: it did not become ready');
}

/** An old bus and a program in front of it, which callers or services connect to. */
function inFrontOf(
  startOld: StartBus,
  users: 'callers' | 'services',
  startFront: (old: RunningBus, path: string) => Promise<Child>,
): StartBus {
  return async (place) => {
    const old = await startOld(place);
    const front = join(place.directory, 'front');
    try {
      const child = await startFront(old, front);
      return {
        path: users === 'callers' ? front : old.path,
        servicePath: users === 'services' ? front : old.path,
        children: [...old.children, child],
        close: async () => {
          await child.stop();
          await old.close();
        },
      };
    } catch (error) {
      await old.close();
      throw error;
    }
  };
}

function startAttached(
  old: RunningBus,
  path: string,
  direction: '--import' | '--export',
): Promise<Child> {
  const words = ['attach', '--bus', `unix:path=${old.path}`, direction, NAME_PATTERN];
  return startBridge(path, words);
}

function startBridge(path: string, words: readonly string[]): Promise<Child> {
  const where = ['--address', `unix:path=${path}`, '--print-address', '--log-level', 'warn'];
  const program = commandPath('bus1-bridge');
  return startChild(`bus1-bridge ${words[0]}`, process.execPath, [program, ...words, ...where]);
}

/** xdg-dbus-proxy(1) writes a byte to the descriptor of --fd when it is ready. */
async function startProxy(old: RunningBus, path: string, rule: '--talk' | '--own'): Promise<Child> {
  needProgram('xdg-dbus-proxy');
  const args = [`unix:path=${old.path}`, path, '--filter', `${rule}=${NAME_PATTERN}`];
  return startChild('xdg-dbus-proxy', 'xdg-dbus-proxy', ['--fd=1', ...args]);
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { busCommand, openFolder } from './bus-command.js';
import { type Environment, killAtExit } from './process.js';

export { output, run, start } from './process.js';
export { describeWith, needs, needsPythonModule } from './software.js';

export interface BusOptions {
  /** XML text, or the path of a configuration file; a permissive session bus by default. */
  config?: string | undefined;
  args?: readonly string[] | undefined;
  env?: Environment | undefined;
}

export interface RunningBus {
  address: string;
  pid: number;
  /** An environment for clients: this bus is their session bus, and nothing else is inherited. */
  env: Environment;
  /** What the bus has printed on standard error so far. */
  stderr(): string;
  /** Sends SIGTERM, awaits the exit, and removes the bus's folder. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 10_000;
const ADDRESS_FD = 3;

/** A session bus on which everybody may do everything, listening at `address`. */
export function sessionConfig(address: string, more = ''): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>${address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <!-- As in session.conf; the default of 128 is for the system bus. -->
  <limit name="max_replies_per_connection">50000</limit>
  ${more}
</busconfig>
`;
}

/**
 * Starts the bus under test and waits for the address that it prints.
 * In an XML configuration, @DIR@ stands for a private folder of this bus.
 */
export async function startBus(options: BusOptions = {}): Promise<RunningBus> {
  const folder = openFolder('bus-test-');
  const [command, ...words] = busCommand();
  const args = [
    ...words,
    `--config-file=${configFile(options.config, folder)}`,
    '--nofork',
    '--nopidfile',
    `--print-address=${ADDRESS_FD}`,
    ...(options.args ?? []),
  ];
  const env = { ...cleanEnvironment(folder), ...options.env };
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  killAtExit(child);
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const address = await firstLine(child.stdio[ADDRESS_FD]);
  if (address === undefined) {
    await stopChild(child);
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`${[command, ...args].join(' ')} printed no address\n${stderr}`);
  }
  return {
    address,
    pid: child.pid!,
    env: { ...env, DBUS_SESSION_BUS_ADDRESS: address },
    stderr: () => stderr,
    stop: async () => {
      await stopChild(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configFile(config: string | undefined, folder: string): string {
  if (config !== undefined && existsSync(config)) return config;
  const file = join(folder, 'bus.conf');
  const text = config ?? sessionConfig('unix:path=@DIR@/bus');
  writeFileSync(file, text.replaceAll('@DIR@', folder));
  return file;
}

/**
 * This process's environment without anything that leads to another bus or desktop. Services and
 * portals that a bus may start are those of the test run (data-setup.ts).
 */
export function cleanEnvironment(folder: string): Environment {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      name === 'XDG_DATA_DIRS' ||
      name === 'XDG_DESKTOP_PORTAL_DIR' ||
      !/^(DBUS_|G_|XDG_|DISPLAY$|WAYLAND_|NOTIFY_SOCKET$|LISTEN_)/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    HOME: folder,
    XDG_RUNTIME_DIR: folder,
    LC_ALL: 'C.UTF-8',
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
}

async function firstLine(stream: unknown): Promise<string | undefined> {
  if (!(stream instanceof Readable)) throw new TypeError('not a stream that can be read');
  for await (const line of createInterface({ input: stream })) return line;
  return undefined;
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
  if (child.signalCode === 'SIGKILL') {
    throw new Error(`the bus did not exit within ${STOP_TIMEOUT_MS} ms of SIGTERM`);
  }
}

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { cleanEnvironment } from '../support/bus.js';
import { ROOT } from '../support/bus-command.js';
import { type Environment, type Program, type RunResult, run, start } from '../support/process.js';

export const DAEMON = join(ROOT, 'dist/bridge/cli/bus1-dbus-daemon.js');
export const BRIDGE = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');

/** A folder that ends with the test. */
export function folderOfTest(): string {
  const folder = mkdtempSync(join(tmpdir(), 'control-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A bus on which everybody may do everything; `more` stands before the policy. */
export function openConfig(more = ''): string {
  return `<busconfig><type>session</type>${more}
    <policy context="default">
      <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/>
    </policy></busconfig>`;
}

export function writeConfig(folder: string, text = openConfig()): string {
  const file = join(folder, 'bus.conf');
  writeFileSync(file, text);
  return file;
}

export interface DaemonOptions {
  folder: string;
  config?: string;
  args?: readonly string[];
  env?: Environment;
}

function wordsOf({ folder, config, args = [] }: DaemonOptions): string[] {
  return [DAEMON, `--config-file=${config ?? writeConfig(folder)}`, ...args];
}

/** Runs the daemon to its end: for what ends by itself. */
export function runDaemon(options: DaemonOptions): Promise<RunResult> {
  const env = { ...cleanEnvironment(options.folder), ...options.env };
  return run(process.execPath, wordsOf(options), { env, cwd: options.folder });
}

export interface RunningDaemon {
  program: Program;
  address: string;
}

/** Starts the daemon in the foreground; it ends with the test. */
export async function startDaemon(options: DaemonOptions): Promise<RunningDaemon> {
  const env = { ...cleanEnvironment(options.folder), ...options.env };
  const words = [...wordsOf(options), '--nofork', '--print-address'];
  const program = start(process.execPath, words, { env, cwd: options.folder });
  onTestFinished(() => program.kill('SIGKILL'));
  return { program, address: await program.waitForLine(/^/) };
}

/** Runs `command` (with "$@" for the daemon) by a shell, which can do to descriptors what Node cannot. */
export function runDaemonByShell(command: string, options: DaemonOptions): Promise<RunResult> {
  const env = { ...cleanEnvironment(options.folder), ...options.env };
  const words = ['-c', command, 'sh', process.execPath, ...wordsOf(options)];
  return run('/bin/bash', words, { env, cwd: options.folder });
}

/** A daemon in the background that printed address and pid to a file; it ends with the test. */
export function daemonFrom(file: string): { address: string; pid: number } {
  const [address, pid] = readFileSync(file, 'utf8').split('\n');
  onTestFinished(() => {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended in the course of the test.
    }
  });
  return { address, pid: Number(pid) };
}

/** What a client with this address hears from the bus when it asks for its ID. */
export function askForId(address: string, env: Environment = process.env): Promise<RunResult> {
  const call = ['--print-reply=literal', '--dest=org.freedesktop.DBus', '/'];
  return run('dbus-send', [`--bus=${address}`, ...call, 'org.freedesktop.DBus.GetId'], { env });
}

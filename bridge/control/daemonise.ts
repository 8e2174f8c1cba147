import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { OpenFilesLimit } from '#core/linux/index.js';
import type { Configuration } from './configuration.js';
import { closeAllOnExec } from './inherited-descriptors.js';
import { LISTEN_FDS_START, inheritedSockets } from './inherited-sockets.js';
import type { LogOptions } from './logger.js';
import { nodeArguments } from './node-child.js';
import { StartupError } from './startup-error.js';

/** All that a bus in the background is started with; plain data. */
export interface DaemonJob {
  /** As read by the foreground process: the file may be gone, or a descriptor of that process. */
  readonly configuration: Configuration;
  readonly addresses: readonly string[] | undefined;
  readonly writesPidFile: boolean;
  readonly usesSystemd: boolean;
  readonly hasDomain: boolean;
  readonly hosts: number;
  readonly lookUs: number | undefined;
  readonly log: LogOptions;
  readonly keepUmask: boolean;
  readonly openFilesLimit: OpenFilesLimit;
  readonly inheritedSockets: number;
}

export type DaemonReport =
  | { readonly kind: 'listening'; readonly address: string; readonly pid: number }
  | { readonly kind: 'failed'; readonly message: string };

type Listening = Extract<DaemonReport, { kind: 'listening' }>;

/**
 * Starts the bus in the background, in a session of its own and without standard streams. Node
 * cannot fork, so this is another process from the start. Resolves when it listens; StartupError
 * says why it does not.
 */
export async function daemonise(job: Omit<DaemonJob, 'inheritedSockets'>): Promise<Listening> {
  const sockets = inheritedSockets(process.env);
  closeAllOnExec();
  const child = startChild(sockets);
  child.send({ ...job, inheritedSockets: sockets } satisfies DaemonJob);
  const report = await reportOf(child);
  if (report.kind === 'failed') throw new StartupError('thread-failed', report.message);
  if (child.connected) child.disconnect();
  child.unref();
  return report;
}

function startChild(sockets: number): ChildProcess {
  const program = fileURLToPath(new URL('../control/daemon-program.js', import.meta.url));
  const passed = Array.from({ length: sockets }, (_, index) => LISTEN_FDS_START + index);
  const stdio: StdioOptions = ['ignore', 'ignore', 'ignore', ...passed, 'ipc'];
  return spawn(process.execPath, nodeArguments(program), {
    stdio,
    detached: true,
    serialization: 'advanced',
  });
}

function reportOf(child: ChildProcess): Promise<DaemonReport> {
  return new Promise((resolve, reject) => {
    child.once('message', (report: DaemonReport) => resolve(report));
    child.once('error', reject);
    child.once('exit', (status, signal) => {
      const how = signal ?? `exit status ${status}`;
      resolve({ kind: 'failed', message: `the bus in the background ended (${how})` });
    });
  });
}

import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One connection that bus-probe.py makes. */
export interface ProbeClient {
  readonly uid: number;
  readonly gids: readonly number[];
  /** Names to request, in this order. */
  readonly names: readonly string[];
  /** Match rules to add. */
  readonly matches: readonly string[];
}

/** `from` is the number of a client; "#2" as destination is the unique name of client 2. */
export interface ProbeMessage {
  readonly from: number;
  readonly type: number;
  readonly destination?: string;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly replySerial?: number;
  readonly fds: number;
}

/** A reply to the message with number `answers`, sent only if the bus has delivered that. */
export interface ProbeReply {
  readonly from: number;
  readonly answers: number;
  readonly type: number;
  readonly errorName?: string;
  readonly fds: number;
}

/** The numbers of the clients that got it, and the error that the sender got, if any. */
export interface ProbeResult {
  readonly to: readonly number[];
  readonly error: string | null;
}

export interface ProbeReport {
  readonly connected: readonly boolean[];
  /** For each client and each of its names: the code of RequestName, or an error name. */
  readonly own: readonly (readonly (number | string)[])[];
  readonly messages: readonly ProbeResult[];
  readonly replies: readonly (ProbeResult | null)[];
}

export interface ProbeJob {
  readonly clients: readonly ProbeClient[];
  readonly messages: readonly ProbeMessage[];
  readonly replies: readonly ProbeReply[];
}

const PROBE = fileURLToPath(new URL('bus-probe.py', import.meta.url));

/** Runs dbus-daemon with the given configuration elements, the job through it, and ends it. */
export async function probeRealBus(elements: string, job: ProbeJob): Promise<ProbeReport> {
  const directory = mkdtempSync(join(tmpdir(), 'bus1-policy-'));
  chmodSync(directory, 0o755);
  const path = join(directory, 'bus');
  const file = join(directory, 'bus.conf');
  writeFileSync(file, `<busconfig><listen>unix:path=${path}</listen>${elements}</busconfig>`);
  const daemon = spawn('dbus-daemon', [`--config-file=${file}`, '--nofork', '--print-address=1']);
  try {
    await listening(daemon);
    const report: ProbeReport = JSON.parse(await runProbe(JSON.stringify({ path, ...job })));
    return report;
  } finally {
    if (daemon.exitCode === null && daemon.kill()) await once(daemon, 'exit');
    rmSync(directory, { recursive: true });
  }
}

/**
 * Answers what the probe prints. Asynchronous, because the daemon logs each denial meanwhile: it
 * stops in the middle of a write when nobody reads that.
 */
function runProbe(input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const probe = execFile('/usr/bin/python3', [PROBE], { maxBuffer: 2 ** 26 }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
    probe.stdin!.end(input);
  });
}

/** Waits for the address that dbus-daemon prints when it listens. */
async function listening(daemon: ChildProcess): Promise<void> {
  let complaint = '';
  daemon.stderr!.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  const exited = once(daemon, 'exit').then(() => {
    throw new Error(`dbus-daemon refuses to start: ${complaint}`);
  });
  // Losing the race is not an error: the daemon exits when the test ends it.
  exited.catch(() => undefined);
  await Promise.race([once(daemon.stdout!, 'data'), exited]);
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { openFolder } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { killAtExit } from '../support/process.js';

/** A bus process, whichever program it is: all take dbus-daemon's command line. */
export class Daemon {
  readonly socketPath: string;
  /** What it has printed on standard error, line by line. */
  readonly log: string[] = [];
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string, socketPath: string) {
    this.#child = child;
    this.#folder = folder;
    this.socketPath = socketPath;
    createInterface({ input: child.stderr! }).on('line', (line) => this.log.push(line));
  }

  /** Starts `command` with a configuration in which @DIR@ stands for a folder of its own. */
  static async start(command: readonly string[], config: string, hosts = 1): Promise<Daemon> {
    const folder = openFolder('bus-differential-');
    const file = join(folder, 'bus.conf');
    writeFileSync(file, config.replaceAll('@DIR@', folder));
    const [program, ...words] = command;
    const args = [...words, `--config-file=${file}`, '--nofork', '--nopidfile', '--print-address'];
    const child = spawn(program, args, {
      env: { ...cleanEnvironment(folder), BUS1_HOSTS: String(hosts) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    killAtExit(child);
    const stdout: Readable = child.stdout;
    for await (const line of createInterface({ input: stdout })) {
      if (line.startsWith('unix:')) return new Daemon(child, folder, join(folder, 'bus'));
    }
    throw new Error(`${command.join(' ')} does not start`);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (this.isRunning) {
      this.#child.kill('SIGTERM');
      await once(this.#child, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

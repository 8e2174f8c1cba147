import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { RunningBus } from './running-bus.js';
import { callerEnvironment } from './caller-environment.js';
import { withOpenFilesLimit } from './open-files-limit.js';
import { errnoOf, textOf } from './startup-error.js';

/** What a shell exits with: sh(1p), "Exit Status for Commands". */
const STATUS_NOT_FOUND = 127;
const STATUS_NOT_EXECUTABLE = 126;
export const STATUS_SIGNAL = 128;

/** Variables about another bus, or about this process only, which the program must not see. */
const NOT_PASSED_ON = [
  'DBUS_SESSION_BUS_PID',
  'DBUS_SESSION_BUS_WINDOWID',
  'DBUS_STARTER_ADDRESS',
  'DBUS_STARTER_BUS_TYPE',
  'LISTEN_FDNAMES',
  'LISTEN_FDS',
  'LISTEN_PID',
  'NOTIFY_SOCKET',
];

/** The program for which a bus was started, and with which it ends. */
export class Companion {
  /** Resolves with its exit status, 128 plus the signal's number, or a shell's status if it cannot be run. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;

  constructor([file = '', ...words]: readonly string[], { address, activation }: RunningBus) {
    const env = { ...callerEnvironment(process.env), DBUS_SESSION_BUS_ADDRESS: address };
    for (const name of NOT_PASSED_ON) Reflect.deleteProperty(env, name);
    this.#child = withOpenFilesLimit(activation.openFilesLimit, () =>
      spawn(file, words, { env, stdio: 'inherit' }),
    );
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(cannotRun(file, error)));
      this.#child.once('exit', (code, signal) => {
        resolve(signal === null ? (code ?? 0) : STATUS_SIGNAL + constants.signals[signal]);
      });
    });
  }

  /** Passes a signal on; a terminal has sent its SIGINT to the program already. */
  signal(signal: NodeJS.Signals): void {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) this.#child.kill(signal);
  }
}

function cannotRun(file: string, error: unknown): number {
  const isMissing = errnoOf(error) === 'ENOENT';
  const todo = isMissing ? 'check the spelling and PATH' : 'make it executable';
  process.stderr.write(`bus1-bridge: cannot run ${file}: ${textOf(error)}; ${todo}\n`);
  return isMissing ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

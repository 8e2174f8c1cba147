import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Observable, ReplaySubject } from 'rxjs';
import { ActivationFailures } from '#bridge/driver/activation-failure.js';
import type { ActivationFailure } from '#bridge/driver/activation-failure.js';
import type { Environment } from './activation-environment.js';
import { execErrnoText, isForkErrno } from './exec-errno.js';
import { composeLaunch, inCurrentDirectory } from './launch-command.js';
import type { LaunchCommand, LaunchIdentity } from './launch-command.js';
import type { Service } from './service-file.js';

/** What becomes of a started service. The stream ends after `exited` or `failed`. */
export type LaunchEvent =
  | { readonly kind: 'spawned'; readonly pid: number }
  /**
   * Exit status 0: a service that turned itself into a daemon may still take its name. Go on
   * waiting.
   */
  | { readonly kind: 'exited' }
  /** Every waiting client is to get this failure, unless the name has appeared. */
  | { readonly kind: 'failed'; readonly failure: ActivationFailure };

export interface Launch {
  readonly service: Service;
  /** Replays what has happened so far to every subscriber. */
  readonly events: Observable<LaunchEvent>;
  /** Ends the process, if there is one: for a service that misses its deadline. */
  kill(): void;
}

export interface LauncherOptions {
  readonly identity: LaunchIdentity;
  /** Where a service's output goes; its standard input is always /dev/null. */
  readonly output?: 'inherit' | 'ignore';
  /**
   * Called with every new process, before anything else is done with it: the place to set its
   * limits.
   */
  readonly onSpawned?: (pid: number) => void;
}

/**
 * Starts services as processes. They belong to the session and process group of the bus, as those
 * of dbus-daemon do, and outlive it.
 */
export class Launcher {
  readonly #options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  /** Starts the service at once. Never throws: a failure is an event. */
  start(service: Service, environment: Environment): Launch {
    const events = new ReplaySubject<LaunchEvent>();
    const end = (event: LaunchEvent): void => {
      events.next(event);
      events.complete();
    };
    const { command, failure } = composeLaunch(service, this.#options.identity, environment);
    const child = command === undefined ? undefined : this.#spawn(service, command, end);
    if (failure !== undefined) end({ kind: 'failed', failure });
    if (child?.pid !== undefined) {
      this.#prepare(child.pid);
      events.next({ kind: 'spawned', pid: child.pid });
    }
    return {
      service,
      events: events.asObservable(),
      kill: () => void child?.kill('SIGKILL'),
    };
  }

  #spawn(
    service: Service,
    command: LaunchCommand,
    end: (event: LaunchEvent) => void,
  ): ChildProcess | undefined {
    const output = this.#options.output ?? 'inherit';
    const stdio: StdioOptions = ['ignore', output, output];
    const fail = (error: unknown): void =>
      end({ kind: 'failed', failure: spawnFailure(service.name, error) });
    try {
      const [argv0, ...rest] = command.argv;
      const file = inCurrentDirectory(command.file);
      const child = spawn(file, rest, { argv0, env: command.environment, stdio });
      // Services outlive the bus; none of them may keep its process alive.
      child.unref();
      child.once('error', fail);
      child.once('exit', (status, signal) => end(exitEvent(service.name, command, status, signal)));
      return child;
    } catch (error) {
      fail(error);
      return undefined;
    }
  }

  #prepare(pid: number): void {
    this.#options.onSpawned?.(pid);
    try {
      // The bus may be shielded from the out-of-memory killer; what it starts must not be.
      writeFileSync(`/proc/${pid}/oom_score_adj`, '0');
    } catch {
      // Without the right to raise the score of its own child, the bus was not shielded either.
    }
  }
}

function exitEvent(
  name: string,
  command: LaunchCommand,
  status: number | null,
  signal: NodeJS.Signals | null,
): LaunchEvent {
  if (status === 0) return { kind: 'exited' };
  const failure =
    signal === null
      ? command.failureOf(status ?? 0)
      : ActivationFailures.childSignaled(name, constants.signals[signal]);
  return { kind: 'failed', failure };
}

function spawnFailure(name: string, error: unknown): ActivationFailure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'EINVAL';
  const text = execErrnoText(code);
  return isForkErrno(code)
    ? ActivationFailures.forkFailed(text)
    : ActivationFailures.execFailed(name, text);
}

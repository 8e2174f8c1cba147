import { callerEnvironment } from '#bridge/control/caller-environment.js';
import { type ChildProcess, spawn } from 'node:child_process';
import type { MigrationResult, MigrationStep, Party } from '#bridge/uplink/migration.js';
import { processText } from '#bridge/uplink/process-text.js';
import { BridgeControl } from './bridge-control.js';
import { UsageError } from './usage-error.js';

export interface MigrateOptions {
  readonly back?: true;
  readonly address?: string;
  readonly timeout: string;
  readonly stopOld?: true;
  readonly json?: true;
}

/** Moves a name. Returns the exit status: 0, or 1 when it was not moved and everything is as it was. */
export async function migrate(
  name: string,
  command: readonly string[],
  options: MigrateOptions,
): Promise<number> {
  const timeoutMs = Number(options.timeout) * 1000;
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31))
    throw new UsageError(`--timeout takes a number of seconds, not "${options.timeout}"`);
  const bridge = await BridgeControl.connect(options.address);
  const run = new Run(name, options, bridge);
  try {
    return await run.go(command, timeoutMs);
  } finally {
    bridge.close();
  }
}

/** One name that is being moved. */
class Run {
  readonly #name: string;
  readonly #options: MigrateOptions;
  readonly #bridge: BridgeControl;
  #child: ChildProcess | undefined;
  /** the service that has the name at first */
  #old: Party | undefined;

  constructor(name: string, options: MigrateOptions, bridge: BridgeControl) {
    this.#name = name;
    this.#options = options;
    this.#bridge = bridge;
  }

  async go(command: readonly string[], timeoutMs: number): Promise<number> {
    const isBack = this.#options.back === true;
    const there = await this.#bridge.existingBus();
    const address = isBack ? there : this.#bridge.address;
    const ended = new Promise<never>((_resolve, reject) => {
      this.#bridge.onProgress = (step, party) => {
        this.#tell(step, party, address);
        if (step === 'waiting' && command.length > 0) this.#spawn(command, address, reject);
        if (step === 'queued') this.#stopOld();
      };
    });
    try {
      const moving = this.#bridge.migrate(this.#name, isBack, timeoutMs);
      const result = await Promise.race([moving, ended]);
      this.#stopOld();
      this.#child?.unref();
      this.#print({ ...result, moved: true }, summaryOf(result, address));
      return 0;
    } catch (error) {
      this.#killChild();
      const reason = error instanceof Error ? error.message : String(error);
      this.#print({ name: this.#name, moved: false, reason }, reason, process.stderr);
      return 1;
    }
  }

  /** It goes on when we have ended; so it has a session of its own, and keeps none of our files open. */
  #spawn(
    [program, ...args]: readonly string[],
    address: string,
    fail: (error: Error) => void,
  ): void {
    const env = { ...callerEnvironment(process.env), DBUS_SESSION_BUS_ADDRESS: address };
    const child = spawn(program, args, { env, detached: true, stdio: 'ignore' });
    this.#child = child;
    child.once('error', fail);
    child.once('exit', (code, signal) => {
      /* a program that has put itself into the background ends with 0 */
      const how = signal === null ? `status ${code}` : signal;
      if (code !== 0) fail(new Error(`${this.#name} was not moved: ${program} ended with ${how}`));
    });
  }

  #killChild(): void {
    const { pid, exitCode, signalCode } = this.#child ?? {};
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    terminate(-pid);
    this.#child?.unref();
  }

  /** The bridge has made sure that it has dealt with what it was sent; unless it has yet to let go of the name. */
  #stopOld(): void {
    const pid = this.#old?.pid;
    if (this.#options.stopOld === true && pid !== undefined) terminate(pid);
  }

  #tell(step: MigrationStep, party: Party, address: string): void {
    if (step === 'waiting') this.#old = party;
    this.#print({ step, ...party }, STEP_TEXTS[step](this.#name, party, address));
  }

  #print(json: object, text: string, stream: NodeJS.WriteStream = process.stdout): void {
    if (this.#options.json === true) process.stdout.write(`${JSON.stringify(json)}\n`);
    else stream.write(`${text}\n`);
  }
}

const STEP_TEXTS: Record<MigrationStep, (name: string, party: Party, address: string) => string> = {
  waiting: (name, party, address) =>
    `${name} is owned by ${partyText(party)}; waiting for its new owner at ${address}`,
  candidate: (_name, party) => `${partyText(party)} asks for it`,
  queued: (_name, party) =>
    `${partyText(party)} does not allow to be replaced: waiting until it ends`,
  switched: () => 'it changes hands; whoever calls waits a moment',
};

function summaryOf({ name, from, to, held }: MigrationResult, address: string): string {
  const waited = held === 0 ? '' : `; ${held} messages waited meanwhile`;
  return `${name} has moved from ${partyText(from)} to ${partyText(to)} at ${address}${waited}`;
}

function partyText({ owner, pid }: Party): string {
  return `${owner} (${processText(pid)})`;
}

/** SIGTERM to a process, or, below zero, to a group; one that has ended needs none. */
function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

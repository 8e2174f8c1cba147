import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { errnoOf } from '#bridge/control/startup-error.js';
import { callerEnvironment } from '#bridge/control/caller-environment.js';
import type { MigrationResult, Party } from '#bridge/uplink/migration.js';
import type { MigrationStep } from '#bridge/uplink/migration-step.js';
import { processText } from '#bridge/uplink/process-text.js';
import { BridgeControl } from './bridge-control.js';
import { UsageError } from './usage-error.js';

export interface MigrateOptions {
  readonly back?: true;
  readonly address?: string;
  readonly timeout: string;
  readonly stopOld?: true;
  readonly release?: true;
  readonly json?: true;
}

/** Moves names. Returns the exit status: 0, or 1 when not all were moved. */
export async function migrate(
  names: readonly string[],
  command: readonly string[],
  options: MigrateOptions,
): Promise<number> {
  const timeoutMs = Number(options.timeout) * 1000;
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31))
    throw new UsageError(`--timeout takes a number of seconds, not "${options.timeout}"`);
  const attempt = async (releases: boolean): Promise<Outcome> => {
    const bridge = await BridgeControl.connect(options.address);
    try {
      return await new Run(names, options, bridge, releases).go(command, timeoutMs);
    } finally {
      bridge.close();
    }
  };
  const outcome = await attempt(options.release === true);
  if (outcome !== 'does not queue') return outcome === 'moved' ? 0 : 1;
  return (await attempt(true)) === 'moved' ? 0 : 1;
}

/** `does not queue`: the new owner has exited without requesting the name, or on the reply that the name exists. */
type Outcome = 'moved' | 'failed' | 'does not queue';

/** A program that puts itself into the background asks for its name before or soon after its first process ends. */
const BACKGROUND_MS = 2000;
const ENDING_MS = 500;

/** The command ended before it had the names. */
class CommandEnded extends Error {}

/** Names that are being moved together. */
class Run {
  readonly #names: readonly string[];
  readonly #options: MigrateOptions;
  readonly #bridge: BridgeControl;
  readonly #releases: boolean;
  #child: ChildProcess | undefined;
  /** the names that wait for their new owners */
  readonly #waiting = new Set<string>();
  #hasSwitched = false;
  #hasCandidate = false;
  #isStarted = false;
  /** the services that own the names at the start */
  readonly #old = new Map<string, Party>();

  constructor(
    names: readonly string[],
    options: MigrateOptions,
    bridge: BridgeControl,
    releases: boolean,
  ) {
    this.#names = names;
    this.#options = options;
    this.#bridge = bridge;
    this.#releases = releases;
  }

  async go(command: readonly string[], timeoutMs: number): Promise<Outcome> {
    const isBack = this.#options.back === true;
    const there = await this.#bridge.existingBus();
    const address = isBack ? there : this.#bridge.address;
    const ended = new Promise<never>((_resolve, reject) => {
      this.#bridge.onProgress = (name, step, party) => {
        this.#tell(name, step, party, address, this.#planText(command));
        if (step === (this.#releases ? 'released' : 'waiting')) this.#waiting.add(name);
        if (step === 'switched') this.#hasSwitched = true;
        if (step === 'candidate') this.#hasCandidate = true;
        if (this.#waiting.size === this.#names.length && !this.#isStarted) {
          this.#isStarted = true;
          const [program, ...args] = command;
          if (program !== undefined) this.#spawn(program, args, address, reject);
        }
        if (step === 'queued') this.#stopOld(name);
      };
    });
    try {
      const results = await Promise.race([this.#moveAll(isBack, timeoutMs, command), ended]);
      for (const name of this.#names) this.#stopOld(name);
      this.#child?.unref();
      for (const result of results)
        this.#print({ ...result, moved: true }, summaryOf(result, address));
      return 'moved';
    } catch (error) {
      return await this.#failed(error, isBack);
    }
  }

  #moveAll(
    back: boolean,
    timeoutMs: number,
    command: readonly string[],
  ): Promise<readonly MigrationResult[]> {
    const start = command.length === 0;
    const options = {
      back,
      timeoutMs,
      start,
      release: this.#releases,
      endsOld: this.#options.stopOld === true,
      together: this.#names.length,
    };
    return Promise.all(this.#names.map((name) => this.#bridge.move(name, options)));
  }

  async #failed(error: unknown, isBack: boolean): Promise<Outcome> {
    const isShy = isBack && !this.#releases && !this.#hasSwitched && (await this.#hasEnded());
    this.#killChild();
    if (isShy) {
      const reason = error instanceof Error ? error.message : String(error);
      const why = `${reason}: it does not queue for a name that has an owner, so the name is released first`;
      this.#print({ step: 'again', reason: why }, why);
      return 'does not queue';
    }
    const reason = error instanceof Error ? error.message : String(error);
    const owners = error instanceof CommandEnded ? await this.#ownersText() : '';
    if (owners !== '' && this.#options.json === true) this.#print({ step: 'owners', owners }, '');
    const [name] = this.#names;
    const text = owners === '' ? reason : `${reason}. ${owners}`;
    this.#print({ name, moved: false, reason }, text, process.stderr);
    return 'failed';
  }

  /** Who owns the names after a failure that the bridge does not know of. */
  async #ownersText(): Promise<string> {
    const texts = await Promise.all(
      this.#names.map(
        async (name) => `${name} is owned by ${await this.#bridge.ownerText(name)} now`,
      ),
    );
    return texts.join('; ');
  }

  /** Describes to the user what is going to happen. */
  #planText(command: readonly string[]): string {
    const starts =
      command.length > 0
        ? `${command.join(' ')} is started there`
        : 'it is started there, or requests the name itself';
    const takes = this.#releases
      ? 'the name is released before it is requested'
      : 'it takes over the name once it answers';
    const isStopped = this.#options.stopOld === true;
    return `${starts}, ${takes}, and the old owner ${isStopped ? 'is ended with SIGTERM' : 'keeps running'}`;
  }

  /** The new owner outlives this command; so it gets a session of its own and none of our files. */
  #spawn(
    program: string,
    args: readonly string[],
    address: string,
    fail: (error: Error) => void,
  ): void {
    const env = { ...callerEnvironment(process.env), DBUS_SESSION_BUS_ADDRESS: address };
    const child = spawn(program, args, { env, detached: true, stdio: 'ignore' });
    this.#child = child;
    child.once('error', (error) => {
      const why = `cannot run ${program}: ${errnoOf(error) ?? error.message}`;
      fail(new CommandEnded(`${this.#names.join(', ')} was not moved: ${why}`));
    });
    child.once('exit', (code, signal) => {
      const how = signal === null ? `status ${code}` : signal;
      const ended = new CommandEnded(
        `${this.#names.join(', ')} was not moved: ${program} ended with ${how}`,
      );
      if (code !== 0) return fail(ended);
      /*
       * a program that has put itself into the background exits with 0; so does one that learns that the name
       * exists
       */
      if (this.#options.back !== true || this.#releases) return;
      const timer = setTimeout(() => {
        if (!this.#hasCandidate) fail(ended);
      }, BACKGROUND_MS);
      timer.unref();
    });
  }

  /** Whether the command has exited, or does so on NameLost. */
  async #hasEnded(): Promise<boolean> {
    const child = this.#child;
    if (child === undefined) return false;
    const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
    if (isOver()) return true;
    await Promise.race([once(child, 'exit'), setTimeoutPromise(ENDING_MS)]);
    return isOver();
  }

  #killChild(): void {
    const { pid, exitCode, signalCode } = this.#child ?? {};
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    terminate(-pid);
    this.#child?.unref();
  }

  /**
   * The bridge has made sure that the old owner has processed what it was sent, unless it has yet to release the
   * name.
   */
  #stopOld(name: string): void {
    const pid = this.#old.get(name)?.pid;
    if (this.#options.stopOld === true && pid !== undefined) terminate(pid);
  }

  #tell(name: string, step: MigrationStep, party: Party, address: string, plan: string): void {
    if (step === 'waiting') this.#old.set(name, party);
    this.#print({ name, step, ...party }, STEP_TEXTS[step](name, party, address, plan));
  }

  #print(json: object, text: string, stream: NodeJS.WriteStream = process.stdout): void {
    if (this.#options.json === true) process.stdout.write(`${JSON.stringify(json)}\n`);
    else stream.write(`${text}\n`);
  }
}

type StepText = (name: string, party: Party, address: string, plan: string) => string;

const STEP_TEXTS: Record<MigrationStep, StepText> = {
  waiting: (name, party, address, plan) =>
    `${name} is owned by ${partyText(party)}; waiting for its new owner at ${address}: ${plan}`,
  candidate: (_name, party) => `${partyText(party)} requests it`,
  queued: (_name, party) => `${partyText(party)} does not allow replacement: waiting until it ends`,
  released: (name, party) =>
    `${partyText(party)} has released ${name} there, for a program that does not queue`,
  switched: () => 'the name changes owner; callers wait a moment',
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
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

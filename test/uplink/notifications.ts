// The notification service of python3-dbusmock on either bus, and clients that send to it without a pause.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Environment, type Program, run, start } from '../support/process.js';
import { ROOT } from '../support/bus-command.js';
import { needs, needsPythonModule, PYTHON } from '../support/software.js';
import type { Bridge } from './bridge.js';

export const NOTIFICATIONS = 'org.freedesktop.Notifications';

export const NOTIFICATION_SOFTWARE = [
  needs(PYTHON, 'python3'),
  needsPythonModule('dbus', 'python3-dbus'),
  needsPythonModule('gi', 'python3-gi'),
  needsPythonModule('dbusmock', 'python3-dbusmock'),
  needs('dbus-send', 'dbus-bin'),
];

const COMMAND = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const NOTIFIER = join(import.meta.dirname, 'python/notifier.py');

/** The words that start the service; `log` gets a line for each call. */
export function serviceCommand(log: string): readonly string[] {
  const template = ['--session', '--template', 'notification_daemon', '--logfile', log];
  return [PYTHON, '-m', 'dbusmock', ...template];
}

/** What `bus1-bridge migrate --json` prints at the end; the keys are documented in docs/adoption.md. */
export interface MigrateResult {
  readonly moved: boolean;
  readonly reason?: string;
  readonly from: { readonly owner: string; readonly pid: number };
  readonly to: { readonly owner: string; readonly pid: number };
}

/** Runs `bus1-bridge migrate`: its exit status, the steps that it tells of, and the result. */
export async function migrate(
  { env, address }: Bridge,
  ...words: readonly string[]
): Promise<{ code: number; steps: string[]; result: MigrateResult }> {
  const args = [COMMAND, 'migrate', '--address', address, '--json', ...words];
  const { stdout, stderr, code } = await run(process.execPath, args, { env });
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length === 0) throw new Error(`migrate has printed nothing: ${stderr}`);
  const told = lines.map((line) => JSON.parse(line));
  const steps = told.slice(0, -1).map(({ step }) => step as string);
  return { code, steps, result: told.at(-1) };
}

export interface Count {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  /** why calls have failed */
  readonly errors: readonly string[];
}

/** A client that sends a notification every 10 ms. */
export class Notifier {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  /** Resolves when the first notification has been answered; or the first call of another script that says the same. */
  static async start(env: Environment, script: readonly string[] = [NOTIFIER]): Promise<Notifier> {
    const program = start(PYTHON, script, { env });
    await program.waitForLine(/^ready$/);
    return new Notifier(program);
  }

  /** Resolves when another hundred have been answered, more or less. */
  async goOn(): Promise<void> {
    await this.#program.waitForLine(/^at /);
  }

  /** Sends no more; what was sent is answered first. */
  async end(): Promise<Count> {
    this.#program.end();
    const { stdout, stderr } = await this.#program.ended;
    const [, ...numbers] = /^sent (\d+) answered (\d+) failed (\d+)$/m.exec(stdout) ?? [];
    if (numbers.length === 0) throw new Error(`the notifier has failed\n${stdout}${stderr}`);
    const [sent, answered, failed] = numbers.map(Number);
    const errors = [...stdout.matchAll(/^error (.*)$/gm)].map(([, text]) => text);
    return { sent, answered, failed, errors };
  }
}

/** The numbers of the notifications that services have logged, in the order of their logs. */
export function received(...logs: readonly string[]): number[] {
  return logs.flatMap((log) =>
    [...readFileSync(log, 'utf8').matchAll(/ Notify .*"number-(\d+)"/g)].map(([, number]) =>
      Number(number),
    ),
  );
}

/** How many numbers do not come after all that are less. */
export function outOfOrder(numbers: readonly number[]): number {
  let highest = 0;
  let count = 0;
  for (const number of numbers) {
    if (number < highest) count++;
    highest = Math.max(highest, number);
  }
  return count;
}

import { busCommand } from '../support/bus-command.js';
import { converse, shrink, type Outcome, type Stages } from './conversation.js';
import { Daemon } from './daemon.js';
import { Doors } from './doors.js';
import type { Step } from './known-differences.js';
import type { Operation } from './operation.js';
import { script } from './script.js';
import { Stage } from './stage.js';

export const REFERENCE = '/usr/bin/dbus-daemon';

/** A pair of buses with the same configuration, on which one conversation after the other is held. */
export class Lane {
  readonly #daemons: readonly [Daemon, Daemon];
  readonly #stages: Stages;

  readonly #doors: Doors | undefined;

  private constructor(
    daemons: readonly [Daemon, Daemon],
    stages: Stages,
    doors: Doors | undefined,
  ) {
    this.#daemons = daemons;
    this.#stages = stages;
    this.#doors = doors;
  }

  /** With several hosts of ours, clients belong to as many processes, and to one more. */
  static async open(config: string, hosts = 1): Promise<Lane> {
    const daemons = await Promise.all([
      Daemon.start([REFERENCE], config),
      Daemon.start(busCommand(), config, hosts),
    ]);
    const doors = hosts === 1 ? undefined : new Doors(hosts + 1);
    const [reference, ours] = await Promise.all(
      daemons.map(({ socketPath }) => Stage.open(socketPath, doors)),
    );
    return new Lane(daemons, { reference, ours }, doors);
  }

  async hold(operations: readonly Operation[]): Promise<Outcome> {
    return converse(this.#stages, operations);
  }

  /** What went wrong, in as few steps as can be. */
  async explain(operations: readonly Operation[], first: Step): Promise<string> {
    const smallest = await shrink(this.#stages, operations);
    const { failure } = await converse(this.#stages, smallest);
    if (failure !== undefined) return script(smallest, failure);
    return `${script(operations, first)}\nIt failed once and then no more: something depends on chance.`;
  }

  /** What our bus says about mistakes of its own. */
  get internalErrors(): string[] {
    return this.#daemons[1].log.filter((line) => line.includes('internal error'));
  }

  async close(): Promise<void> {
    await Promise.all(this.#daemons.map((daemon) => daemon.stop()));
    this.#doors?.close();
  }
}

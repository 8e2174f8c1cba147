import { busCommand } from '../support/bus-command.js';
import { converse, shrink, type Outcome, type Stages } from './conversation.js';
import { Daemon } from './daemon.js';
import type { Step } from './known-differences.js';
import type { Operation } from './operation.js';
import { script } from './script.js';
import { Stage } from './stage.js';

export const REFERENCE = '/usr/bin/dbus-daemon';

/** A pair of buses with the same configuration, on which one conversation after the other is held. */
export class Lane {
  readonly #daemons: readonly [Daemon, Daemon];
  readonly #stages: Stages;

  private constructor(daemons: readonly [Daemon, Daemon], stages: Stages) {
    this.#daemons = daemons;
    this.#stages = stages;
  }

  static async open(config: string): Promise<Lane> {
    const daemons = await Promise.all([
      Daemon.start([REFERENCE], config),
      Daemon.start(busCommand(), config),
    ]);
    const [reference, ours] = await Promise.all(
      daemons.map(({ socketPath }) => Stage.open(socketPath)),
    );
    return new Lane(daemons, { reference, ours });
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
  }
}

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BlockingConnection } from './blocking-connection.js';
import type { FigureId, Measured, Row } from './figures.js';
import { cpuTime, residentBytes, withDescendants } from './process-tree.js';
import type { Place, StartBus } from './running-bus.js';
import type { Measurable } from './caller-session.js';

/** A program and its arguments. */
export type CommandLine = readonly [string, ...string[]];

const VERSION_TIMEOUT_MS = 10_000;

/** A bus may return what its start has left behind: its memory is measured after this time. */
const REST_MS = 1500;

type Entry = readonly [FigureId, number];

const isOf = (row: Row, figure: FigureId): boolean => figure.split('-')[0] === row;

/** A bus that is started for each round, at a place of its own, and ended again. */
export class StartSession implements Measurable {
  readonly #place: Place;
  readonly #startBus: StartBus | undefined;
  /** what prints a version, or does as little as its runtime can */
  readonly #version: CommandLine;
  #starts = 0;
  /** figures of the last life that no row has used: one life of a bus serves all rows of a round */
  #left: readonly Entry[] = [];

  constructor(place: Place, startBus: StartBus | undefined, version: CommandLine) {
    this.#place = place;
    this.#startBus = startBus;
    this.#version = version;
  }

  async measure(row: Row): Promise<Measured> {
    if (row === 'version') return { figures: { 'version-p50': this.#runVersion() }, messages: 0 };
    if (!this.#isLeft(row)) this.#left = await this.#life();
    const own = this.#left.filter(([id]) => isOf(row, id));
    this.#left = this.#left.filter(([id]) => !isOf(row, id));
    return { figures: Object.fromEntries(own), messages: 0 };
  }

  #isLeft(row: Row): boolean {
    return this.#left.some(([id]) => isOf(row, id));
  }

  /** From the start of a bus to its end. */
  async #life(): Promise<readonly Entry[]> {
    if (this.#startBus === undefined) return [];
    const begin = performance.now();
    const bus = await this.#startBus(this.#nextPlace());
    try {
      BlockingConnection.openBus(bus.path).close();
    } catch (error) {
      await bus.close();
      throw error;
    }
    const startMs = performance.now() - begin;
    const pids = bus.children.flatMap(({ pid }) => (pid === undefined ? [] : withDescendants(pid)));
    const cpuNs = cpuTime(pids).totalNs;
    await delay(REST_MS);
    const memory = residentBytes(pids) / 1024;
    const asked = performance.now();
    await bus.close();
    const stopMs = performance.now() - asked;
    return [
      ['start-p50', startMs * 1000],
      ['start-cpu', cpuNs / 1000],
      ['memory', memory],
      ['stop-p50', stopMs * 1000],
    ];
  }

  cpuTime(): undefined {}

  residentBytes(): undefined {}

  async heapGrowth(): Promise<undefined> {}

  async close(): Promise<void> {}

  #nextPlace(): Place {
    this.#starts++;
    const directory = join(this.#place.directory, String(this.#starts));
    mkdirSync(directory);
    return { ...this.#place, directory };
  }

  /** How long it takes, in microseconds. */
  #runVersion(): number {
    const [program, ...words] = this.#version;
    const begin = performance.now();
    const { status, error } = spawnSync(program, words, { timeout: VERSION_TIMEOUT_MS });
    if (status === 0) return (performance.now() - begin) * 1000;
    throw error ?? new Error(`${this.#version.join(' ')} ended with status ${status}`);
  }
}

import { programPath, startBus } from './buses.js';
import type { BusId, RunningBus } from './buses.js';
import { Child } from './child.js';
import type { Measured, Row } from './figures.js';
import type { HeapGrowth } from './heap.js';

const READY_TIMEOUT_MS = 20_000;
/** A bus may be this much slower than planned, and no more. */
const PATIENCE = 5;
const HEAP_CALLS_PER_SECOND_MIN = 5000;

/** What the caller process is asked for, one line each. */
export type Command =
  | { readonly kind: 'row'; readonly row: Row; readonly durationMs: number }
  | { readonly kind: 'heap'; readonly calls: number };

export interface Answer {
  readonly measured?: Measured;
  readonly heap?: HeapGrowth;
  readonly error?: string;
}

/** One bus with an echo service and a caller connected to it. */
export class Session {
  readonly #bus: RunningBus;
  readonly #service: Child;
  readonly #caller: Child;

  private constructor(bus: RunningBus, service: Child, caller: Child) {
    this.#bus = bus;
    this.#service = service;
    this.#caller = caller;
  }

  static async open(id: BusId, directory: string, configFile?: string): Promise<Session> {
    const bus = await startBus(id, directory, configFile);
    const place = [bus.transport, bus.path];
    const program = [programPath('service'), ...place];
    const service = new Child(`echo service on ${id}`, process.execPath, program);
    try {
      await service.readLine(READY_TIMEOUT_MS);
    } catch (error) {
      await service.stop();
      await bus.close();
      throw error;
    }
    const caller = new Child(`caller on ${id}`, process.execPath, [
      programPath('caller'),
      ...place,
    ]);
    return new Session(bus, service, caller);
  }

  /** Measures one row. Rejects when the bus, or one of the processes, fails or is stuck. */
  async measure(row: Row, durationMs: number): Promise<Measured> {
    const timeoutMs = READY_TIMEOUT_MS + durationMs * PATIENCE;
    const answer = await this.#ask({ kind: 'row', row, durationMs }, timeoutMs);
    return answer.measured ?? {};
  }

  /** How the bus's heap grows over `calls` calls. */
  async heapGrowth(calls: number): Promise<HeapGrowth | undefined> {
    const timeoutMs = READY_TIMEOUT_MS + (calls / HEAP_CALLS_PER_SECOND_MIN) * 1000;
    return (await this.#ask({ kind: 'heap', calls }, timeoutMs)).heap;
  }

  async close(): Promise<void> {
    await this.#caller.stop();
    await this.#service.stop();
    await this.#bus.close();
  }

  async #ask(command: Command, timeoutMs: number): Promise<Answer> {
    this.#caller.writeLine(JSON.stringify(command));
    const answer: Answer = JSON.parse(await this.#caller.readLine(timeoutMs));
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }
}

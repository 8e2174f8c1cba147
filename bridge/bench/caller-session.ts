import { Child } from './child.js';
import { NOTHING, rateFigure, type Measured, type Row } from './figures.js';
import type { HeapGrowth } from './heap.js';
import { cpuTime, residentBytes, withDescendants, type CpuTime } from './process-tree.js';
import { programPath } from './programs.js';
import type { Answer, CallerKind, Command, ServiceKind } from './programs.js';
import type { Place, RunningBus, StartBus } from './running-bus.js';
import { wakeUpsPerSecond } from './wake-ups.js';

const READY_TIMEOUT_MS = 20_000;
/** A bus may take at most this many times as long as planned. */
const PATIENCE = 5;
const HEAP_CALLS_PER_SECOND_MIN = 5000;
/** The idle row is measured this many times as long as other rows: 2 s by default. */
const IDLE_SHARE = 8;
/** V8 collects garbage once more, 8 s after the last work (--gc-memory-reducer-start-delay-ms): 12 s by default. */
const SETTLE_SHARE = 6;

/** What a column of a table is measured by. */
export interface Measurable {
  /** Measures one row. Rejects when what is measured fails or is stuck. */
  measure(row: Row, durationMs: number): Promise<Measured>;
  /** What the processes of the bus have used so far; undefined where no bus runs all the time. */
  cpuTime(): CpuTime | undefined;
  /** Resident memory of the processes of the bus; undefined likewise. */
  residentBytes(): number | undefined;
  /** How the bus's heap grows over `calls` calls. */
  heapGrowth(calls: number): Promise<HeapGrowth | undefined>;
  close(): Promise<void>;
}

/** A caller that is connected, and what it has been connected to. */
export class CallerSession implements Measurable {
  readonly #caller: Child;
  readonly #children: readonly Child[];
  readonly #bus: RunningBus | undefined;
  #isSettled = false;

  private constructor(caller: Child, service?: Child, bus?: RunningBus) {
    this.#caller = caller;
    this.#children = [caller, ...(service === undefined ? [] : [service])];
    this.#bus = bus;
  }

  /** Starts a bus, an echo service and a caller. */
  static async open(
    place: Place,
    startBus: StartBus,
    serviceKind: ServiceKind,
    callerKind: CallerKind,
  ): Promise<CallerSession> {
    const bus = await startBus(place);
    const service = startProgram('service', serviceKind, bus.servicePath);
    try {
      await service.readLine(READY_TIMEOUT_MS);
    } catch (error) {
      await service.stop();
      await bus.close();
      throw error;
    }
    return new CallerSession(startProgram('caller', callerKind, bus.path), service, bus);
  }

  /** A program that takes the commands for a caller, and calls a service that it has started itself. */
  static ofProgram(title: string, program: string): CallerSession {
    return new CallerSession(new Child(title, program, []));
  }

  async measure(row: Row, durationMs: number): Promise<Measured> {
    if (row === 'idle') {
      return rateFigure(row, await this.#wakeUpsPerSecond(durationMs * IDLE_SHARE), 0);
    }
    const timeoutMs = READY_TIMEOUT_MS + durationMs * PATIENCE;
    const before = this.cpuTime();
    const { measured = NOTHING } = await this.#ask({ kind: 'row', row, durationMs }, timeoutMs);
    const { figures, messages } = measured;
    if (before === undefined || messages === 0) return measured;
    const usedNs = this.cpuTime()!.totalNs - before.totalNs;
    return { figures: { ...figures, [`${row}-cpu`]: usedNs / 1000 / messages }, messages };
  }

  cpuTime(): CpuTime | undefined {
    const pids = this.#busPids();
    return pids.length === 0 ? undefined : cpuTime(pids);
  }

  residentBytes(): number | undefined {
    const pids = this.#busPids();
    return pids.length === 0 ? undefined : residentBytes(pids);
  }

  #busPids(): number[] {
    const pids = (this.#bus?.children ?? []).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    return pids.flatMap(withDescendants);
  }

  async heapGrowth(calls: number): Promise<HeapGrowth | undefined> {
    const timeoutMs = READY_TIMEOUT_MS + (calls / HEAP_CALLS_PER_SECOND_MIN) * 1000;
    return (await this.#ask({ kind: 'heap', calls }, timeoutMs)).heap;
  }

  async close(): Promise<void> {
    for (const child of this.#children) await child.stop();
    await this.#bus?.close();
  }

  async #wakeUpsPerSecond(durationMs: number): Promise<number> {
    if (!this.#isSettled) await this.#settle(durationMs * SETTLE_SHARE);
    const children = [...this.#children, ...(this.#bus?.children ?? [])];
    const pids = children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    return wakeUpsPerSecond(pids, durationMs);
  }

  /** Makes caller, bus and service communicate once, and waits until they are asleep. */
  async #settle(durationMs: number): Promise<void> {
    await this.measure('round-trip-32', 1);
    await new Promise((resolve) => setTimeout(resolve, durationMs));
    this.#isSettled = true;
  }

  async #ask(command: Command, timeoutMs: number): Promise<Answer> {
    this.#caller.writeLine(JSON.stringify(command));
    const answer: Answer = JSON.parse(await this.#caller.readLine(timeoutMs));
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }
}

function startProgram(
  role: 'caller' | 'service',
  kind: CallerKind | ServiceKind,
  path: string,
): Child {
  return new Child(`${role} (${kind})`, process.execPath, [programPath(role), kind, path]);
}

import {
  latencyFigures,
  NOTHING,
  OUTSTANDING,
  rateFigure,
  roundTripBytes,
} from '#bridge/bench/figures.js';
import type { Measured, Row } from '#bridge/bench/figures.js';
import type { Caller } from '#bridge/bench/programs.js';
import { perSecond, timeEachAsync, warmlyAsync } from '#bridge/bench/timing.js';

const SHORT_BYTES = 32;

/** The service, as seen by a program that does not block. */
export interface AsyncEcho {
  /** bytes, in the form that this library takes */
  bytes(length: number): Uint8Array;
  /** Sends bytes there and back. */
  echo(bytes: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

/** Calls from Node's loop, whichever the library. */
export class LoopCaller implements Caller {
  readonly #service: AsyncEcho;

  constructor(service: AsyncEcho) {
    this.#service = service;
  }

  measure(row: Row, durationMs: number): Promise<Measured> {
    return warmlyAsync(durationMs, (ms) => this.#run(row, ms));
  }

  close(): void {
    this.#service.close();
  }

  async #run(row: Row, durationMs: number): Promise<Measured> {
    if (row === 'outstanding-64') return this.#callsOutstanding(row, durationMs);
    const lengthBytes = roundTripBytes(row);
    if (lengthBytes === undefined) return NOTHING;
    return latencyFigures(row, await this.#roundTrips(lengthBytes, durationMs));
  }

  async #roundTrips(lengthBytes: number, durationMs: number): Promise<Float64Array> {
    const bytes = this.#service.bytes(lengthBytes);
    const sorted = await timeEachAsync(durationMs, () => this.#service.echo(bytes));
    const returned = await this.#service.echo(bytes);
    if (returned.length !== lengthBytes) {
      throw new Error(`${lengthBytes} bytes were sent, ${returned.length} came back`);
    }
    return sorted;
  }

  /** Calls per second, where each caller of 64 waits for its own. */
  async #callsOutstanding(row: Row, durationMs: number): Promise<Measured> {
    const bytes = this.#service.bytes(SHORT_BYTES);
    const start = performance.now();
    let answered = 0;
    let isOver = false;
    const call = async (): Promise<void> => {
      do {
        await this.#service.echo(bytes);
        answered++;
        if (answered % OUTSTANDING === 0) isOver = performance.now() - start >= durationMs;
      } while (!isOver);
    };
    await Promise.all(Array.from({ length: OUTSTANDING }, call));
    return rateFigure(row, perSecond(answered, start), 2 * answered);
  }
}

import { latencyFigures, NOTHING, roundTripBytes } from '#bridge/bench/figures.js';
import type { Measured, Row } from '#bridge/bench/figures.js';
import { timeEach, warmly } from '#bridge/bench/timing.js';

/** Sends `lengthBytes` bytes there and back; returns how many came back. */
export type BlockingEcho = (lengthBytes: number) => number;

/** Measures a row of round trips, the only kind of row for a caller that blocks for each. */
export function measureBlocking(row: Row, durationMs: number, echo: BlockingEcho): Measured {
  const lengthBytes = roundTripBytes(row);
  if (lengthBytes === undefined) return NOTHING;
  let returnedBytes = lengthBytes;
  const step = (): void => {
    returnedBytes = Math.min(returnedBytes, echo(lengthBytes));
  };
  const measured = warmly(durationMs, (ms) => latencyFigures(row, timeEach(ms, step)));
  if (returnedBytes !== lengthBytes) {
    throw new Error(`${lengthBytes} bytes were sent, ${returnedBytes} came back`);
  }
  return measured;
}

import type { Measured } from './figures.js';

const SAMPLES_MAX = 1 << 18;
/** Samples that even a very short row takes, so that there is a median. */
const SAMPLES_MIN = 5;

const WARM_UP_SHARE = 0.2;

/**
 * Does `run` for about `durationMs`, after a warm-up of a fifth of that. The messages of both count: the processor
 * time of the bus is taken over both.
 */
export function warmly(durationMs: number, run: (durationMs: number) => Measured): Measured {
  const warmUp = run(durationMs * WARM_UP_SHARE);
  const { figures, messages } = run(durationMs);
  return { figures, messages: messages + warmUp.messages };
}

/** Like `warmly`, for an asynchronous `run`. */
export async function warmlyAsync(
  durationMs: number,
  run: (durationMs: number) => Promise<Measured>,
): Promise<Measured> {
  const warmUp = await run(durationMs * WARM_UP_SHARE);
  const { figures, messages } = await run(durationMs);
  return { figures, messages: messages + warmUp.messages };
}

/** Repeats `step` for `durationMs`; returns how long each took, in microseconds, ascending. */
export function timeEach(durationMs: number, step: () => void): Float64Array {
  const samples = new Float64Array(SAMPLES_MAX);
  let now = performance.now();
  const deadline = now + durationMs;
  let count = 0;
  while (count < SAMPLES_MAX && (now < deadline || count < SAMPLES_MIN)) {
    step();
    const end = performance.now();
    samples[count++] = (end - now) * 1000;
    now = end;
  }
  return samples.subarray(0, count).toSorted();
}

/** Like `timeEach`, for an asynchronous `step`. */
export async function timeEachAsync(
  durationMs: number,
  step: () => Promise<unknown>,
): Promise<Float64Array> {
  const samples = new Float64Array(SAMPLES_MAX);
  let now = performance.now();
  const deadline = now + durationMs;
  let count = 0;
  while (count < SAMPLES_MAX && (now < deadline || count < SAMPLES_MIN)) {
    await step();
    const end = performance.now();
    samples[count++] = (end - now) * 1000;
    now = end;
  }
  return samples.subarray(0, count).toSorted();
}

export function perSecond(count: number, startMs: number): number {
  return (count * 1000) / (performance.now() - startMs);
}

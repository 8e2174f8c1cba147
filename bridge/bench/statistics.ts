/** The value below which the share `p` (0 to 1) of the ascending values lies. NaN for none. */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

/** The middle value; the mean of the middle two. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const lower = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** Where a statistic lies with a confidence of 95 %. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;
const SEED = 0x2545f491;

/**
 * Percentile bootstrap: `statistic` of many samples that are drawn from the rounds with replacement. A round is drawn
 * whole, as an index, so that figures of one round stay together. The same rounds give the same interval.
 */
export function bootstrap(
  rounds: number,
  statistic: (drawn: readonly number[]) => number,
): Interval {
  if (rounds === 0) return { low: Number.NaN, high: Number.NaN };
  const random = xorshift(SEED);
  const values = new Float64Array(RESAMPLES);
  for (let i = 0; i < RESAMPLES; i++) {
    values[i] = statistic(Array.from({ length: rounds }, () => random() % rounds));
  }
  values.sort();
  return { low: percentile(values, 0.025), high: percentile(values, 0.975) };
}

/** Whole numbers below 2^32 (Marsaglia, "Xorshift RNGs"). */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

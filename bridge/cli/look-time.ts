import { parseLookUs } from '#core/shared/index.js';
import { UsageError } from './usage-error.js';

/** How long hosts spin before they sleep, in µs, from BUS1_LOOK_US. */
export function lookTimeUs(environment: NodeJS.ProcessEnv): number | undefined {
  try {
    return parseLookUs(environment['BUS1_LOOK_US']);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

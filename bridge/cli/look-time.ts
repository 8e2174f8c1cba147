import { parseLookUs } from '#core/shared/index.js';
import { UsageError } from './usage-error.js';

/** What BUS1_LOOK_US says of the hosts of a bus. */
export function lookTimeUs(environment: NodeJS.ProcessEnv): number | undefined {
  try {
    return parseLookUs(environment['BUS1_LOOK_US']);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

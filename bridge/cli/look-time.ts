import { UsageError } from './usage-error.js';

/** A longer look than a second is a mistake. */
const LOOK_MAX_US = 1e6;

/**
 * BUS1_LOOK_US: for how long hosts look for what comes next before they sleep, in microseconds: 0 for never. Undefined
 * when it is not set: for as long as that pays.
 */
export function lookTimeUs(environment: NodeJS.ProcessEnv): number | undefined {
  const text = environment['BUS1_LOOK_US'];
  if (text === undefined || text === '') return undefined;
  const lookUs = Number(text);
  if (Number.isInteger(lookUs) && lookUs >= 0 && lookUs <= LOOK_MAX_US) return lookUs;
  throw new UsageError(`BUS1_LOOK_US takes a number from 0 to ${LOOK_MAX_US}, not "${text}"`);
}

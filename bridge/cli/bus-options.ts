import { parseLookUs } from '#core/shared/index.js';
import { LOG_LEVELS, isLogThreshold, type LogThreshold } from '#bridge/control/logger.js';
import { UsageError } from './usage-error.js';

/** From the command line, otherwise from BUS1_LOG, otherwise `normal`. */
export function logLevel(option: string | undefined, normal: LogThreshold): LogThreshold {
  const text = option ?? (process.env['BUS1_LOG'] || normal);
  if (isLogThreshold(text)) return text;
  const where = option === undefined ? 'BUS1_LOG' : '--log-level';
  throw new UsageError(`${where} can be ${LOG_LEVELS.join(', ')}, not "${text}"`);
}

/** More make no sense on any machine of today, and are a mistake. */
const HOSTS_MAX = 64;

/** Parses the number of hosts; `origin` names the option or variable that it came from, for the error. */
export function hostCount(text: string | undefined, origin: string): number {
  const count = text === undefined || text === '' ? 1 : Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= HOSTS_MAX) return count;
  throw new UsageError(`${origin} takes a number from 1 to ${HOSTS_MAX}, not "${text}"`);
}

/** How long hosts spin before they sleep, in µs, from BUS1_LOOK_US. */
export function lookTimeUs(environment: NodeJS.ProcessEnv): number | undefined {
  try {
    return parseLookUs(environment['BUS1_LOOK_US']);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

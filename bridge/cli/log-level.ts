import { LOG_LEVELS, isLogThreshold, type LogThreshold } from '#bridge/control/logger.js';
import { UsageError } from './usage-error.js';

/** From the command line, otherwise from BUS1_LOG, otherwise `normal`. */
export function logLevel(option: string | undefined, normal: LogThreshold): LogThreshold {
  const text = option ?? (process.env['BUS1_LOG'] || normal);
  if (isLogThreshold(text)) return text;
  const where = option === undefined ? 'BUS1_LOG' : '--log-level';
  throw new UsageError(`${where} can be ${LOG_LEVELS.join(', ')}, not "${text}"`);
}

import { pino, type DestinationStream, type Level, type Logger } from 'pino';
import { humanLine } from './human-line.js';

export type { Logger };

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogThreshold = Level | 'silent';

export function isLogThreshold(text: string): text is LogThreshold {
  return LOG_LEVELS.some((level) => level === text);
}

/** JSON lines on standard error; on a terminal short lines for people. `also` gets every line, too. */
export function createLogger(level: LogThreshold, also?: DestinationStream, quiet = false): Logger {
  const write = (line: string): void => {
    if (!quiet) process.stderr.write(process.stderr.isTTY ? humanLine(line) : line);
    also?.write(line);
  };
  const timestamp = (): string => `,"time":"${new Date().toISOString()}"`;
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level, base: null, timestamp, formatters }, { write });
}

import { pino, type Level, type Logger } from 'pino';
import { humanLine } from './human-line.js';
import { openSyslog } from './syslog.js';

export type { Logger };

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogThreshold = Level | 'silent';

export function isLogThreshold(text: string): text is LogThreshold {
  return LOG_LEVELS.some((level) => level === text);
}

export interface LogOptions {
  readonly level: LogThreshold;
  readonly stderr: boolean;
  readonly syslog: boolean;
}

/**
 * JSON lines on standard error, or short lines for people if that is a terminal. Nobody has to read
 * them: a log that cannot be written is no reason for a bus to end.
 */
export function createLogger({ level, stderr, syslog }: LogOptions): Logger {
  const system = syslog ? openSyslog('bus1-dbus-daemon') : undefined;
  const isTerminal = process.stderr.isTTY;
  if (stderr) process.stderr.on('error', () => {});
  const write = (line: string): void => {
    if (stderr) process.stderr.write(isTerminal ? humanLine(line) : line);
    system?.write(line);
  };
  const timestamp = (): string => `,"time":"${new Date().toISOString()}"`;
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level, base: null, timestamp, formatters }, { write });
}

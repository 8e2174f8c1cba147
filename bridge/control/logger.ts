import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { pino, type Logger as PinoLogger } from 'pino';
import { humanLine } from './human-line.js';
import { isJournalStream, LogStream } from './log-stream.js';
import { utcTime } from './utc-time.js';
import { lossLine, openSystemLog, prefixedLine } from './syslog.js';

/** A logger of pino with one more level, `notice`, for what a client was refused. */
export type Logger = PinoLogger<'notice'>;

export const LOG_LEVELS = [
  'trace',
  'debug',
  'info',
  'notice',
  'warn',
  'error',
  'fatal',
  'silent',
] as const;

/** Between info (30) and warn (40). */
const CUSTOM_LEVELS = { notice: 35 };

export type LogThreshold = (typeof LOG_LEVELS)[number];

export function isLogThreshold(text: string): text is LogThreshold {
  return LOG_LEVELS.some((level) => level === text);
}

export interface LogOptions {
  readonly level: LogThreshold;
  readonly stderr: boolean;
  readonly syslog: boolean;
}

/**
 * On standard error: JSON lines, short lines for people if that is a terminal, lines with a priority if the journal
 * reads it. The log may have no reader: if it cannot be written, the bus does not end, wait or grow.
 */
export function createLogger({ level, stderr, syslog }: LogOptions): Logger {
  const isJournal = stderr && isJournalStream(STDERR);
  /* the journal needs each line once */
  const system = syslog && !isJournal ? openSystemLog('bus1-dbus-daemon') : undefined;
  const format = isJournal ? prefixedLine : isTerminal(STDERR) ? humanLine : (line: string) => line;
  const stream = stderr ? new LogStream(STDERR, (count) => format(lossLine(count))) : undefined;
  const write = (line: string): void => {
    stream?.write(format(line));
    system?.write(line);
  };
  const timestamp = (): string => `,"time":"${utcTime(new Date())}"`;
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level, base: null, timestamp, formatters, customLevels: CUSTOM_LEVELS }, { write });
}

const STDERR = 2;

/** Node's module for terminals is loaded only where there may be one. */
function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice() && isatty(fd);
  } catch {
    return false;
  }
}

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { logFields } from './human-line.js';

/** syslog(3): the facility for system daemons, and the severities. */
const DAEMON = 3 << 3;
const SEVERITY: Readonly<Record<string, number>> = {
  fatal: 2,
  error: 3,
  warn: 4,
  info: 6,
  debug: 7,
  trace: 7,
};

/** Where log lines go besides standard error. */
export interface LogSink {
  write(line: string): void;
}

/**
 * Sends log lines to the system log by logger(1), since Node has no datagrams on Unix sockets.
 * Whatever happens to the log, the bus goes on: lines are lost then.
 */
export function openSyslog(tag: string, socketPath = '/dev/log'): LogSink | undefined {
  if (!existsSync(socketPath)) return undefined;
  const options = ['--prio-prefix', `--tag=${tag}`, `--id=${process.pid}`];
  const logger = spawn('logger', [...options, '--socket-errors=off', '--socket', socketPath], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  logger.on('error', () => {});
  logger.stdin.on('error', () => {});
  logger.unref();
  return { write: (line) => void logger.stdin.write(syslogLine(line)) };
}

function syslogLine(json: string): string {
  const { level, message, details } = logFields(json);
  return `<${DAEMON + (SEVERITY[level] ?? SEVERITY['info'])}>${message}${details}\n`;
}

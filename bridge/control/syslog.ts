import { existsSync } from 'node:fs';
import { fieldsOf } from '#bridge/wire/fields.js';
import { DatagramSender } from '#core/linux/index.js';
import { logFields } from './human-line.js';
import { utcTime } from './utc-time.js';

/**
 * syslog(3): facilities, and severities. `notice` is what dbus-daemon files under authorisation
 * (`dbus/dbus-sysdeps-util-unix.c`).
 */
const FACILITY_DAEMON = 3;
const FACILITY_AUTH = 4;
const SEVERITY_INFO = 6;
const SEVERITY: Readonly<Record<string, number>> = {
  fatal: 2,
  error: 3,
  warn: 4,
  notice: 5,
  info: SEVERITY_INFO,
  debug: 7,
  trace: 7,
};

/** Longer texts are cut, so that they fit into one datagram, whatever the limits of its reader. */
const TEXT_MAX_CHARACTERS = 8192;

/** Where log lines go besides standard error. */
export interface LogSink {
  write(line: string): void;
}

export function severityOf(level: string): number {
  return SEVERITY[level] ?? SEVERITY_INFO;
}

function facilityOf(level: string): number {
  return level === 'notice' ? FACILITY_AUTH : FACILITY_DAEMON;
}

/** The journal if there is one, or else the system log; undefined: neither. */
export function openSystemLog(tag: string): LogSink | undefined {
  return openJournal(tag) ?? openSyslog(tag);
}

/** The journal's native protocol (systemd.io, JOURNAL_NATIVE_PROTOCOL): each field can be searched for. */
export function openJournal(
  tag: string,
  socketPath = '/run/systemd/journal/socket',
): LogSink | undefined {
  return openDatagrams(socketPath, (json) => journalEntry(tag, json));
}

/** The socket of syslog(3), in the format of local senders. */
export function openSyslog(tag: string, socketPath = '/dev/log'): LogSink | undefined {
  return openDatagrams(socketPath, (json) => Buffer.from(syslogLine(tag, json)));
}

/**
 * Sends without waiting. Lines that cannot be sent are counted, and the next line that can be sent reports the
 * count.
 */
function openDatagrams(
  socketPath: string,
  format: (json: string) => Uint8Array,
): LogSink | undefined {
  if (!existsSync(socketPath)) return undefined;
  const sender = new DatagramSender(socketPath);
  let lost = 0;
  return {
    write(json) {
      if (lost > 0 && sender.send(format(lossLine(lost)))) lost = 0;
      if (lost > 0 || !sender.send(format(json))) lost++;
    },
  };
}

/** A line of the log about the log itself. */
export function lossLine(count: number): string {
  const time = utcTime(new Date());
  const msg = `${count} log lines were dropped: the log's reader did not keep up`;
  return `${JSON.stringify({ level: 'warn', time, msg })}\n`;
}

/** sd-daemon(3): a line on standard error begins with its severity. */
export function prefixedLine(json: string): string {
  const { level, message, details } = logFields(json);
  return `<${severityOf(level)}>${oneLine(message + details)}\n`;
}

function syslogLine(tag: string, json: string): string {
  const { level, message, details } = logFields(json);
  const priority = facilityOf(level) * 8 + severityOf(level);
  return `<${priority}>${timestamp(new Date())} ${tag}[${process.pid}]: ${oneLine(message + details)}`;
}

/** `Nov  8 14:03:59`, local time (RFC 3164, 4.1.2). */
function timestamp(now: Date): string {
  const month = now.toLocaleString('en-US', { month: 'short' });
  return `${month} ${String(now.getDate()).padStart(2)} ${now.toTimeString().slice(0, 8)}`;
}

function journalEntry(tag: string, json: string): Uint8Array {
  const { level, message, details } = logFields(json);
  const { level: _level, time: _time, msg: _msg, ...fields } = fieldsOf(JSON.parse(json));
  const entry: [string, string][] = [
    ['MESSAGE', oneLine(message + details)],
    ['PRIORITY', String(severityOf(level))],
    ['SYSLOG_FACILITY', String(facilityOf(level))],
    ['SYSLOG_IDENTIFIER', tag],
    ['SYSLOG_PID', String(process.pid)],
  ];
  for (const [name, value] of Object.entries(fields)) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    entry.push([journalField(name, text), text]);
    /* the journal adds what it knows of that process (systemd.journal-fields(7)) */
    if (name === 'pid') entry.push(['OBJECT_PID', text]);
  }
  return Buffer.concat(entry.map(([name, text]) => fieldBytes(name, text)));
}

function journalField(name: string, text: string): string {
  if (name === 'name') return text.startsWith(':') ? 'DBUS_UNIQUE_NAME' : 'DBUS_NAME';
  return `BUS1_${name.replace(/(?=[A-Z])/gu, '_').toUpperCase()}`;
}

/** NAME, newline, length in 64 bits, value, newline: a value may have newlines of its own. */
function fieldBytes(name: string, text: string): Buffer {
  const value = Buffer.from(text.slice(0, TEXT_MAX_CHARACTERS));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(value.length);
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from('\n')]);
}

function oneLine(text: string): string {
  return text.slice(0, TEXT_MAX_CHARACTERS).replace(/\s*\n\s*/gu, ' | ');
}

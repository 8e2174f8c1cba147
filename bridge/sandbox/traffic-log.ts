import type { MessageHeader } from '#bridge/wire/header.js';
import { headerText } from '#bridge/wire/header-text.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Verdict } from './outgoing.js';

/** The lines of `--log`, as xdg-dbus-proxy prints them: users and their scripts know these. */

export function logOutgoing(header: MessageHeader): void {
  say(`C${header.serial}: -> ${what(header, 'destination', 'B')}`);
}

/** A call of the proxy itself. */
export function logOwn(serial: number, question: string): void {
  say(`C${serial}: -> org.freedesktop.DBus fake ${question}`);
}

export function logFiltered({ kind, ...verdict }: Verdict, hasAnswer: boolean): void {
  const isHidden = 'isHidden' in verdict && verdict.isHidden;
  if (kind === 'error') say(`*${isHidden ? 'HIDDEN' : 'DENIED'}*${hasAnswer ? ' (ping)' : ''}`);
}

export function logIncoming(header: MessageHeader, fate: string | undefined): void {
  say(`B${header.serial}: <- ${what(header, 'sender', 'C')}`);
  if (fate === undefined) say('*Unexpected reply*');
  else if (fate === 'replace') say('*REWRITTEN*');
  else if (fate === 'filtered') say('*FILTERED IN*');
  else if (fate === 'skip' || fate === 'owner' || fate === 'all-names') say('*SKIPPED*');
}

function what(header: MessageHeader, side: 'destination' | 'sender', asked: 'B' | 'C'): string {
  const nobody = side === 'sender' ? '(no sender)' : isSignal(header) ? 'all' : '(no dest)';
  const who = headerText(header, side) || nobody;
  const member = `${headerText(header, 'interface')}.${headerText(header, 'member')}`;
  const where = `${member} at ${headerText(header, 'path')}`;
  switch (header.type) {
    case MessageType.MethodCall:
      return `${who} call ${where}`;
    case MessageType.Signal:
      return `${who} signal ${where}`;
    case MessageType.MethodReturn:
      return `${who} return from ${asked}${header.replySerial}`;
    case MessageType.Error:
      return `${who} return error ${headerText(header, 'errorName')} from ${asked}${header.replySerial}`;
    default:
      return 'unknown message type';
  }
}

function isSignal({ type }: MessageHeader): boolean {
  return type === MessageType.Signal;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

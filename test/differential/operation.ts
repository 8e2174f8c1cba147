import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { Damage } from './damage.js';

/**
 * A message as a conversation writes it down. In every string, `#2` stands for the unique name of client 2: which one
 * that is, only the bus decides.
 */
export interface MessageSpec {
  readonly type: number;
  readonly serial: number;
  readonly flags?: number | undefined;
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly errorName?: string | undefined;
  readonly replySerial?: number | undefined;
  readonly destination?: string | undefined;
  readonly signature?: string | undefined;
  readonly body?: readonly unknown[] | undefined;
  /** A SENDER field, which is for the bus alone to fill in. */
  readonly forgedSender?: string | undefined;
  /** Brings a header field that the specification does not know. */
  readonly hasUnknownField?: boolean | undefined;
  readonly isBigEndian?: boolean | undefined;
}

/** One step of a conversation. What a client does that is not connected is left out. */
export type Operation =
  | { readonly kind: 'connect'; readonly client: number }
  | { readonly kind: 'send'; readonly client: number; readonly message: MessageSpec }
  /** a message that is no D-Bus any more */
  | {
      readonly kind: 'garble';
      readonly client: number;
      readonly message: MessageSpec;
      readonly damage: Damage;
    }
  /** closes the socket; `last` goes out just before */
  | { readonly kind: 'leave'; readonly client: number; readonly last?: MessageSpec | undefined };

export const DRIVER = 'org.freedesktop.DBus';

/** Whether this calls a method of the driver with this name. */
export function callsDriver(message: MessageSpec, member: string): boolean {
  const { type, destination } = message;
  return type === MessageType.MethodCall && destination === DRIVER && message.member === member;
}

/** Methods whose answers the control plane may have to wait for. A caller of these does not go on without. */
const ANSWERED_LATER = ['BecomeMonitor', 'ReloadConfig', 'StartServiceByName'];

export function isAnsweredLater(message: MessageSpec): boolean {
  return ANSWERED_LATER.some((member) => callsDriver(message, member));
}

const TYPE_NAMES = ['invalid', 'call', 'return', 'error', 'signal'];
const FLAG_NAMES = [
  [MessageFlag.NoReplyExpected, 'NO_REPLY_EXPECTED'],
  [MessageFlag.NoAutoStart, 'NO_AUTO_START'],
  [MessageFlag.AllowInteractiveAuthorization, 'ALLOW_INTERACTIVE_AUTHORIZATION'],
] as const;

/** One line that says what a step does. */
export function describeOperation(operation: Operation): string {
  const who = `#${operation.client}`;
  switch (operation.kind) {
    case 'connect':
      return `${who} connects`;
    case 'send':
      return `${who} sends ${describeMessage(operation.message)}`;
    case 'garble':
      return `${who} sends, damaged (${operation.damage}), ${describeMessage(operation.message)}`;
    case 'leave':
      return operation.last === undefined
        ? `${who} leaves`
        : `${who} sends ${describeMessage(operation.last)} and leaves`;
    default:
      return operation satisfies never;
  }
}

function describeMessage(message: MessageSpec): string {
  const { flags = 0 } = message;
  const names = FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  return [
    `${TYPE_NAMES[message.type] ?? `type ${message.type}`} ${message.serial}`,
    message.replySerial === undefined ? '' : `in reply to ${message.replySerial}`,
    `to ${message.destination ?? 'nobody'}:`,
    [message.interface, message.member].filter((word) => word !== undefined).join('.'),
    message.errorName ?? '',
    bodyText(message),
    message.path === undefined ? '' : `at ${message.path}`,
    names.join(' '),
    flags > 7 ? `flags ${flags}` : '',
    message.forgedSender === undefined ? '' : `as if from ${message.forgedSender}`,
    message.hasUnknownField === true ? 'with an unknown field' : '',
    message.isBigEndian === true ? 'big-endian' : '',
  ]
    .filter((word) => word !== '')
    .join(' ');
}

function bodyText({ signature, body = [] }: MessageSpec): string {
  if (signature === undefined) return '()';
  return `${signature}(${body.map(valueText).join(', ')})`;
}

/** A value of a body, short enough for a line. */
export function valueText(value: unknown): string {
  const text = JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === 'bigint') return each.toString();
    return each instanceof Map ? [...each] : each;
  });
  return text.length > 1000 ? `${text.slice(0, 1000)}… (${text.length} characters)` : text;
}

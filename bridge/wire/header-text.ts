import type { MessageHeader } from './header.js';

type Field = 'path' | 'interface' | 'member' | 'errorName' | 'destination' | 'sender' | 'signature';

/** A header field as text, for errors and logs; empty when the message does not have it. */
export function headerText(header: MessageHeader, field: Field): string {
  const offset = header[`${field}Offset`];
  const length = header[`${field}Length`];
  if (length === 0) return '';
  return Buffer.from(header.bytes.buffer, header.bytes.byteOffset + offset, length).toString();
}

const TYPE_NAMES = ['invalid', 'method_call', 'method_return', 'error', 'signal'];

/** A message in the words of dbus-daemon's log. */
export function describeMessage(header: MessageHeader): string {
  const type = TYPE_NAMES[header.type] ?? `${header.type}`;
  const fields = (['interface', 'member', 'errorName', 'path', 'destination'] as const)
    .filter((field) => header[`${field}Length`] > 0)
    .map((field) => `${field}="${headerText(header, field)}"`);
  return [`type="${type}"`, ...fields].join(' ');
}

// Messages that are made one after the other in the same memory are those that are made each in its own.
import { expect, test } from 'vitest';
import { WireError } from '#bridge/wire/faults.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { encodeMessage, MessageComposer, type MessageFields } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { toHex } from './hex.js';

const SENDER = 'org.freedesktop.DBus';
const LONG = 'x'.repeat(20_000);
const HEADER: MessageFields = { type: MessageType.MethodReturn, serial: 1, replySerial: 7 };
const SIGNAL: MessageFields = {
  type: MessageType.Signal,
  serial: 2,
  path: '/org/freedesktop/DBus',
  interface: SENDER,
  member: 'NameAcquired',
  destination: ':1.12',
};

const REFUSED: readonly [MessageFields, unknown[]][] = [
  [{ ...SIGNAL, path: 'relative' }, []],
  [{ ...HEADER, signature: '(' }, [1]],
  [{ ...HEADER, signature: 'aas' }, [[['fits'], [1]]]],
];

const composer = new MessageComposer(SENDER);

function composed(fields: MessageFields, body: readonly unknown[]): Uint8Array {
  const header = new MessageHeader();
  composer.compose(header, fields, body);
  return header.bytes.subarray(header.start, header.end);
}

function encoded(fields: MessageFields, body: readonly unknown[]): string {
  return toHex(encodeMessage({ ...fields, sender: SENDER }, body));
}

test('a message has nothing of those before it, longer, shorter or refused', () => {
  const messages: [MessageFields, unknown[]][] = [
    [{ ...SIGNAL, signature: 's' }, [':1.12']],
    [HEADER, []],
    [{ ...HEADER, signature: 'ays' }, [new Uint8Array(300).fill(0xff), 'text']],
    [{ ...SIGNAL, signature: 'y' }, [1]],
    [{ ...HEADER, signature: 's' }, [LONG]],
    [{ ...SIGNAL, signature: 'as', path: '/other' }, [['a', 'b']]],
  ];
  for (const [fields, body] of messages) {
    expect(toHex(composed(fields, body))).toBe(encoded(fields, body));
    for (const [refused, values] of REFUSED) {
      expect(() => composed(refused, values)).toThrow(WireError);
    }
  }
});

test('an error names the argument and the place in it, whatever was refused before', () => {
  const fields = { ...HEADER, signature: 'as' };
  expect(() => composed(fields, [['fits', 1]])).toThrow(/argument 0\[1\]/u);
  expect(() => composed({ ...HEADER, signature: 'yy' }, [0, 256])).toThrow(/argument 1: /u);
});

test('a long message stays as it is: it may be sent from where it lies', () => {
  const long = composed({ ...HEADER, signature: 's' }, [LONG]);
  const before = toHex(long);
  composed({ ...SIGNAL, signature: 's' }, [':1.12']);
  expect(toHex(long)).toBe(before);
});

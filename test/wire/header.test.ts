import { describe, expect, test } from 'vitest';
import { validateBody } from '#bridge/wire/body.js';
import { MessageHeader } from '#bridge/wire/header.js';
import type { MessageFields } from '#bridge/wire/message.js';
import { decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { ascii, hex, toHex, viewOf } from './hex.js';

/* Title, little-endian, big-endian (both by hand), what they say. */
const MESSAGES: readonly [string, string, string, MessageFields & { body: unknown[] }][] = [
  [
    'a call with all its fields',
    `6c010101 04000000 02000000 47000000
     01016f00 02000000 2f6100 0000000000  02017300 03000000 612e6200 00000000
     03017300 01000000 4d00 000000000000  06017300 03000000 632e6400 00000000
     08016700 017500 00  07000000`,
    `42010101 00000004 00000002 00000047
     01016f00 00000002 2f6100 0000000000  02017300 00000003 612e6200 00000000
     03017300 00000001 4d00 000000000000  06017300 00000003 632e6400 00000000
     08016700 017500 00  00000007`,
    {
      type: MessageType.MethodCall,
      flags: MessageFlag.NoReplyExpected,
      serial: 2,
      path: '/a',
      interface: 'a.b',
      member: 'M',
      destination: 'c.d',
      signature: 'u',
      body: [7],
    },
  ],
  [
    'a return with descriptors',
    `6c020001 04000000 ffffffff 38000000
     06017300 05000000 3a312e3432 00 0000  07017300 04000000 3a312e37 00 000000
     08016700 016800 00  05017500 09000000  09017500 01000000  00000000`,
    `42020001 00000004 ffffffff 00000038
     06017300 00000005 3a312e3432 00 0000  07017300 00000004 3a312e37 00 000000
     08016700 016800 00  05017500 00000009  09017500 00000001  00000000`,
    {
      type: MessageType.MethodReturn,
      flags: 0,
      serial: 0xffffffff,
      destination: ':1.42',
      sender: ':1.7',
      signature: 'h',
      replySerial: 9,
      unixFds: 1,
      body: [0],
    },
  ],
  [
    'an error',
    `6c030001 06000000 01000000 20000000
     04017300 03000000 612e6200 00000000  08016700 017300 00  05017500 09000000
     01000000 7800`,
    `42030001 00000006 00000001 00000020
     04017300 00000003 612e6200 00000000  08016700 017300 00  05017500 00000009
     00000001 7800`,
    {
      type: MessageType.Error,
      flags: 0,
      serial: 1,
      errorName: 'a.b',
      signature: 's',
      replySerial: 9,
      body: ['x'],
    },
  ],
  [
    'a signal without a body',
    `6c040001 00000000 01000000 2a000000
     01016f00 02000000 2f6100 0000000000  02017300 03000000 612e6200 00000000
     03017300 01000000 4d00 000000000000`,
    `42040001 00000000 00000001 0000002a
     01016f00 00000002 2f6100 0000000000  02017300 00000003 612e6200 00000000
     03017300 00000001 4d00 000000000000`,
    {
      type: MessageType.Signal,
      flags: 0,
      serial: 1,
      path: '/a',
      interface: 'a.b',
      member: 'M',
      body: [],
    },
  ],
];

describe.each(MESSAGES)('%s', (_title, little, big, { body, ...fields }) => {
  test.each([
    ['little', true, little],
    ['big', false, big],
  ])('%s-endian', (_order, littleEndian, digits) => {
    const bytes = hex(digits);
    expect(decodeMessage(bytes)).toEqual({ ...fields, littleEndian, body });
    expect(toHex(encodeMessage(fields, body, littleEndian))).toBe(toHex(bytes));
    const marshalled = bytes.slice(bytes.length - lengthOfBody(bytes, littleEndian));
    expect(toHex(encodeMessage(fields, marshalled, littleEndian))).toBe(toHex(bytes));
  });
});

function lengthOfBody(bytes: Uint8Array, littleEndian: boolean): number {
  return viewOf(bytes).getUint32(4, littleEndian);
}

function scanned(bytes: Uint8Array, start = 0, end = bytes.length): MessageHeader {
  const header = new MessageHeader();
  expect(header.scan(bytes, viewOf(bytes), start, end)).toBe(0);
  return header;
}

const SIGNAL = `01016f00 02000000 2f6100 0000000000  02017300 03000000 612e6200 00000000`;
const MEMBER = `03017300 01000000 4d00`;

describe('offsets', () => {
  test('point into the bytes that were given', () => {
    const before = 'ff'.repeat(5);
    const bytes = hex(
      before,
      `6c040001 01000000 01000000 47000000 ${SIGNAL} ${MEMBER} 000000000000`,
      '07017300 03000000 3a2e3100 00000000 08016700 017900 00 2a',
      before,
    );
    const header = scanned(bytes, 5, bytes.length - 5);
    const text = (offset: number, length: number): string =>
      Buffer.from(bytes).toString('latin1', offset, offset + length);
    expect(text(header.pathOffset, header.pathLength)).toBe('/a');
    expect(text(header.interfaceOffset, header.interfaceLength)).toBe('a.b');
    expect(text(header.memberOffset, header.memberLength)).toBe('M');
    expect(text(header.senderOffset, header.senderLength)).toBe(':.1');
    expect(text(header.signatureOffset, header.signatureLength)).toBe('y');
    expect(toHex(bytes.slice(header.senderFieldStart, header.senderFieldEnd))).toBe(
      toHex(hex('07017300 03000000 3a2e3100')),
    );
    expect(header.errorNameLength).toBe(0);
    expect(header.destinationLength).toBe(0);
    expect(header.fieldsEnd).toBe(5 + 16 + 0x47);
    expect(header.bodyStart).toBe(5 + 16 + 0x48);
    expect(bytes[header.bodyStart]).toBe(0x2a);
    expect(header.bodyLength).toBe(1);
    expect(validateBody(header)).toBe(0);
  });

  test('of one message are forgotten with the next', () => {
    const header = new MessageHeader();
    const first = hex(MESSAGES[1][1]);
    const second = hex(MESSAGES[3][1]);
    expect(header.scan(first, viewOf(first), 0, first.length)).toBe(0);
    expect(header.scan(second, viewOf(second), 0, second.length)).toBe(0);
    const present = Object.entries(header).filter(
      ([, value]) => typeof value !== 'number' || value,
    );
    const names = present
      .map(([name]) => name)
      .filter((name) => /Length$|Serial$|^senderF|Fds$/.test(name));
    expect(names).toEqual(['pathLength', 'interfaceLength', 'memberLength']);
    expect(header.signature.text).toBe('');
    expect(header.hasUnknownFields).toBe(false);
  });
});

/** What a scan found out; the offset of an absent field means nothing. */
function found(header: MessageHeader, fault: number): Record<string, unknown> {
  if (fault !== 0) return { fault };
  const entries = Object.entries(header).filter(([name]) => !['bytes', 'view'].includes(name));
  const all = new Map<string, unknown>(entries);
  return Object.fromEntries(
    entries.filter(([name]) => all.get(name.replace(/Offset$/, 'Length')) !== 0),
  );
}

describe('a message behind another one', () => {
  /* Every byte of the second message is changed in some way: what is known of the first must not be relied on. */
  const encoded = MESSAGES.flatMap(([title, little, big]) => [
    [`${title}, little-endian`, hex(little)] as const,
    [`${title}, big-endian`, hex(big)] as const,
  ]);

  test.each(encoded)('is checked as if it were alone: %s', (_title, message) => {
    const { length } = message;
    const both = new Uint8Array(length * 2);
    const view = viewOf(both);
    for (let at = 0; at < length; at++) {
      for (const change of [0, 1, 2, 0x80, 0xff, message[at]]) {
        both.set(message);
        both.set(message, length);
        both[length + at] ^= change;
        const alone = new MessageHeader();
        const expected = found(alone, alone.scan(both, view, length, length * 2));
        const next = new MessageHeader();
        expect(next.scan(both, view, 0, length)).toBe(0);
        expect(found(next, next.scan(both, view, length, length * 2, true))).toEqual(expected);
      }
    }
  });

  test('its body may have another length', () => {
    const call = { type: MessageType.MethodCall, path: '/a', member: 'M', signature: 's' };
    const first = encodeMessage({ ...call, serial: 1 }, ['short']);
    const second = encodeMessage({ ...call, serial: 2 }, ['not as short']);
    const both = new Uint8Array([...first, ...second]);
    const header = new MessageHeader();
    expect(header.scan(both, viewOf(both), 0, first.length)).toBe(0);
    expect(header.scan(both, viewOf(both), first.length, both.length, true)).toBe(0);
    expect(header).toMatchObject({
      serial: 2,
      bodyLength: second.length - header.bodyStart + first.length,
    });
    expect(header.end - header.bodyStart).toBe(header.bodyLength);
    expect(validateBody(header)).toBe(0);
  });

  test('is checked alone when the one before was faulty', () => {
    const [, little] = MESSAGES[0];
    const both = hex(little, little);
    const length = both.length / 2;
    both[20] = 0; // the length of the path
    const header = new MessageHeader();
    const fault = header.scan(both, viewOf(both), 0, length);
    expect(fault).not.toBe(0);
    both.copyWithin(length, 0, length);
    expect(header.scan(both, viewOf(both), length, both.length, true)).toBe(fault);
  });
});

describe('what is unknown', () => {
  test('message types pass, whatever their fields', () => {
    for (const type of ['05', 'ff']) {
      const bytes = hex(`6c${type}0001 00000000 01000000 00000000`);
      expect(scanned(bytes).type).toBe(Number.parseInt(type, 16));
    }
  });

  test('flags pass', () => {
    expect(
      scanned(hex(`6c04ff01 00000000 01000000 2a000000 ${SIGNAL} ${MEMBER} 000000000000`)).flags,
    ).toBe(0xff);
  });

  test.each([
    ['a byte', '0b017900 2a', '35'],
    ['the object path that belongs to field 10', '0a016f00 02000000 2f6100', '3b'],
    ['a string', `80017300 05000000 ${ascii('hello')} 00`, '3e'],
    ['an array of structs', 'ff046128 79290000 01000000 00000000 2a', '41'],
  ])('header fields are skipped and told of: %s', (_title, field, fieldsLength) => {
    const padding = '00'.repeat((8 - (Number.parseInt(fieldsLength, 16) % 8)) % 8);
    const header = scanned(
      hex(
        `6c040001 00000000 01000000 ${fieldsLength}000000`,
        `${SIGNAL} ${MEMBER} 000000000000 ${field} ${padding}`,
      ),
    );
    expect(header.hasUnknownFields).toBe(true);
    expect(header.memberLength).toBe(1);
  });
});

describe('what encodeMessage refuses', () => {
  const call = { type: MessageType.MethodCall, serial: 1, path: '/a', member: 'M' };
  test.each<[string, MessageFields, unknown[] | Uint8Array, string]>([
    ['a serial of 0', { ...call, serial: 0 }, [], 'the serial is 0'],
    ['a missing field', { type: 1, serial: 1, path: '/a' }, [], 'MEMBER field is missing'],
    ['a wrong path', { ...call, path: 'a' }, [], 'path: '],
    ['a wrong member', { ...call, member: 'a.b' }, [], 'MEMBER field is not a valid member'],
    ['a wrong sender', { ...call, sender: ':1..2' }, [], 'SENDER field is not a valid bus name'],
    ['a wrong signature', { ...call, signature: 'z' }, [1], "type 'g' takes a valid signature"],
    ['a type above 255', { ...call, type: 256 }, [], 'type: '],
    ['a fractional reply serial', { ...call, replySerial: 1.5 }, [], 'replySerial: '],
    ['arguments without a signature', call, [1], '1 arguments for 0 types'],
    ['a raw body of another type', { ...call, signature: 'u' }, Uint8Array.of(1), 'ends beyond'],
    ['a raw body without a signature', call, Uint8Array.of(1), 'longer than its signature'],
  ])('%s', (_title, fields, body, text) => {
    expect(() => encodeMessage(fields, body)).toThrow(text);
  });
});

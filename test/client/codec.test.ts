// The fast ways to write and read messages agree with the plain ones of bridge/wire, on whatever comes.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Message } from '#core/index.js';
import { BodyReader, type MessageReferences } from '#bridge/client/body-reader.js';
import { BodyWriter } from '#bridge/client/body-writer.js';
import { IncomingHeaders } from '#bridge/client/incoming-header.js';
import { OutgoingHeader, OutgoingHeaders } from '#bridge/client/outgoing-header.js';
import { WireError } from '#bridge/wire/faults.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { encodeBody } from '#bridge/wire/marshal.js';
import { encodeMessage, type MessageFields } from '#bridge/wire/message.js';
import { parseSignatureText } from '#bridge/wire/signature.js';
import { MessageType, Variant } from '#bridge/wire/types.js';
import { decodeBody } from '#bridge/wire/unmarshal.js';
import { body, SEED } from '../wire/arbitraries.js';

const writer = new BodyWriter();
const reader = new BodyReader();

function written(signature: string, values: readonly unknown[]): Uint8Array {
  const message = new Message();
  writer.write(signature, values, message);
  return message.copyBytes();
}

function read(
  signature: string,
  bytes: Uint8Array,
  littleEndian = true,
  references: MessageReferences | null = null,
): unknown[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parsed = parseSignatureText(signature)!;
  return reader.read(parsed, bytes, view, 0, bytes.length, littleEndian, references);
}

/** The value, or the text of the error. */
function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error instanceof WireError ? error.message : error;
  }
}

/** Descriptors are numbers on the wire, and files here. */
const plainBody = body.filter(
  ({ signature, values }) => !/[hv]/.test(signature) && values.length > 0,
);

describe('bodies', () => {
  test.each([
    ['', []],
    ['s', ['text']],
    ['ss', ['', 'ünïcödé \u{1f680}']],
    ['s', ['x'.repeat(70_000)]],
    ['ybs', [255, true, 'after']],
    ['nq', [-2, 65535]],
    ['iu', [-1, 4294967295]],
    ['xt', [-(2n ** 63n), 2n ** 64n - 1n]],
    ['yd', [1, 0.5]],
    ['so', ['a', '/a/b']],
    ['g', ['a{sv}']],
    ['ay', [new Uint8Array([1, 2, 3])]],
    ['ay', [new Uint8Array(0)]],
    ['sayu', ['odd', new Uint8Array(1025).fill(1), 7]],
    ['ayayayayay', Array.from({ length: 5 }, (_, i) => new Uint8Array(1021 + i).fill(i))],
    ['ay', [new Uint8Array(200_000).fill(3)]],
    ['as', [['a', 'b']]],
    ['a{sv}', [new Map([['k', new Variant('(is)', [1, 'x'])]])]],
  ])('%s %#', (signature, values) => {
    const bytes = encodeBody(signature, values);
    expect(Buffer.compare(written(signature, values), bytes)).toBe(0);
    expect(read(signature, bytes.slice())).toEqual(decodeBody(signature, bytes));
    const bigEndian = encodeBody(signature, values, false);
    expect(read(signature, bigEndian.slice(), false)).toEqual(decodeBody(signature, bytes));
  });

  test.each([
    ['s', [1]],
    ['s', ['\0']],
    ['s', ['\ud800']],
    ['o', ['no path']],
    ['y', [256]],
    ['n', [32768]],
    ['u', [-1]],
    ['i', [1.5]],
    ['t', [1]],
    ['x', [2n ** 63n]],
    ['b', [1]],
    ['d', ['1']],
    ['ay', [[1]]],
    ['ss', ['one']],
    ['', ['one']],
    ['no signature', [1]],
  ])('%s %# is refused, in the words of the marshaller', (signature, values) => {
    const refused = outcome(() => written(signature, values));
    expect(typeof refused).toBe('string');
    expect(refused).toBe(outcome(() => encodeBody(signature, values)));
  });

  test('any values: the same bytes', () => {
    const property = fc.property(plainBody, ({ signature, values }) => {
      expect(written(signature, values)).toEqual(new Uint8Array(encodeBody(signature, values)));
    });
    fc.assert(property, { seed: SEED, numRuns: 500 });
  });

  test('any bytes: the same values, or the same error', () => {
    const damaged = fc.tuple(plainBody, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean());
    const property = fc.property(damaged, ([{ signature, values }, at, byte, cuts]) => {
      const bytes = new Uint8Array(encodeBody(signature, values));
      if (bytes.length > 0) bytes[at % bytes.length] = byte;
      const hostile = cuts ? bytes.slice(0, at % (bytes.length + 1)) : bytes;
      expect(outcome(() => read(signature, hostile))).toEqual(
        outcome(() => decodeBody(signature, hostile)),
      );
    });
    fc.assert(property, { seed: SEED, numRuns: 2000 });
  });

  test('what is read does not change with the bytes', () => {
    const bytes = new Uint8Array(encodeBody('say', ['text', new Uint8Array(9000).fill(1)]));
    const values = read('say', bytes);
    bytes.fill(0);
    expect(values).toEqual(['text', new Uint8Array(9000).fill(1)]);
  });

  test('handles and descriptors come from the message', () => {
    const references = {
      capability: (index: number) => (index < 2 ? `capability ${index}` : undefined),
      descriptor: (index: number) => 100 + index,
    };
    const path = (index: number | string) => `/org/bus1/handle/${index}`;
    const values = [path(0), [path(1), path(2), path('01'), '/x'], new Variant('h', 1)];
    expect(read('oaov', new Uint8Array(encodeBody('oaov', values)), true, references)).toEqual([
      'capability 0',
      ['capability 1', path(2), path('01'), '/x'],
      new Variant('h', 101),
    ]);
    expect(read('o', new Uint8Array(encodeBody('o', [path(0)])))).toEqual([path(0)]);
    expect(() => read('h', new Uint8Array(encodeBody('h', [0])))).toThrow(/did not arrive with it/);
  });
});

describe('headers', () => {
  const common = { destination: 'org.example.A', sender: ':1.7', signature: 's', unixFds: 2 };
  const fields: readonly Omit<MessageFields, 'serial'>[] = [
    { type: MessageType.MethodCall, path: '/a', interface: 'a.b', member: 'C', ...common },
    { type: MessageType.MethodCall, path: '/', member: 'C' },
    { type: MessageType.MethodCall, flags: 1, path: '/', member: 'C' },
    { type: MessageType.MethodReturn, replySerial: 3, ...common },
    { type: MessageType.MethodReturn, replySerial: 3 },
    { type: MessageType.Error, errorName: 'a.b', replySerial: 3, ...common },
    { type: MessageType.Signal, path: '/a', interface: 'a.b', member: 'C', sender: ':1.7' },
  ];

  test.each(fields)('are written as bridge/wire would, in another order: %j', (wanted) => {
    const { type, flags = 0, signature = '', unixFds = 0 } = wanted;
    const header = new OutgoingHeader({ ...wanted, type, flags, signature, unixFds });
    const bodyBytes = signature === '' ? new Uint8Array(0) : encodeBody(signature, ['text']);
    header.patch(9, bodyBytes.length);
    if (wanted.replySerial !== undefined) header.patchReplySerial(3);
    const bytes = Buffer.concat([header.bytes, bodyBytes]);
    const scanned = scan(bytes);
    const plain = scan(encodeMessage({ ...wanted, serial: 9 }, bodyBytes));
    expect(scanned).toEqual(plain);
  });

  test.each([
    ['path', 'nowhere'],
    ['interface', 'nodots'],
    ['member', 'no member'],
    ['destination', 'nodots'],
    ['signature', '(('],
  ])('with a bad %s are refused', (field, value) => {
    const good = {
      type: MessageType.MethodCall,
      flags: 0,
      path: '/',
      member: 'M',
      signature: '',
      unixFds: 0,
    };
    expect(() => new OutgoingHeader({ ...good, [field]: value })).toThrow(WireError);
  });

  test('are recognised, whatever serial and length of body they have', () => {
    const headers = new IncomingHeaders();
    for (const each of fields) {
      const first = readHeader(headers, { ...each, serial: 1 }, 'text');
      const again = readHeader(headers, { ...each, serial: 2 }, 'a longer text');
      expect(again).toBe(first);
      expect(headers.serial).toBe(2);
    }
    const [call] = fields;
    const other = readHeader(headers, { ...call, member: 'D', serial: 1 }, 'text');
    expect(other).toMatchObject({ member: 'D', path: '/a', sender: ':1.7', unixFds: 2 });
  });

  test('any damage: refused or read as bridge/wire does', () => {
    const headers = new IncomingHeaders();
    const chosen = fc.constantFrom(...fields);
    const byte = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    const property = fc.property(chosen, fc.array(byte, { maxLength: 2 }), (each, changes) => {
      const bytes = message({ ...each, serial: 5 }, 'text');
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const read = headers.read(bytes, view, bytes.length);
      const header = new MessageHeader();
      const fault = header.scan(bytes, view, 0, bytes.length);
      expect(read === undefined).toBe(fault !== 0);
      if (read === undefined) return;
      const plain = scan(bytes);
      const seen = { ...plain, ...pick(read, Object.keys(plain)), serial: headers.serial };
      expect(seen).toEqual(plain);
    });
    fc.assert(property, { seed: SEED, numRuns: 3000 });
  });

  test('are kept for what is sent, as long as they are not too many', () => {
    const headers = new OutgoingHeaders();
    const find = (path: string) =>
      headers.find(MessageType.MethodCall, 0, { path, member: 'M' }, undefined, undefined, 0);
    const first = find('/');
    expect(find('/')).toBe(first);
    for (let i = 0; i < 100; i++) find(`/${i}`);
    expect(find('/').bytes).toEqual(first.bytes);
  });
});

function message(fields: MessageFields, text: string): Uint8Array {
  const body = fields.signature === 's' ? [text] : [];
  return new Uint8Array(encodeMessage(fields, body));
}

function readHeader(headers: IncomingHeaders, fields: MessageFields, text: string) {
  const { type, flags = 0, signature = '', unixFds = 0, serial } = fields;
  const outgoing = new OutgoingHeader({ ...fields, type, flags, signature, unixFds });
  const body = signature === '' ? new Uint8Array(0) : encodeBody(signature, [text]);
  outgoing.patch(serial, body.length);
  const bytes = new Uint8Array(Buffer.concat([outgoing.bytes, body]));
  return headers.read(bytes, new DataView(bytes.buffer), bytes.length);
}

function scan(bytes: Uint8Array): Record<string, unknown> {
  const header = new MessageHeader();
  const fault = header.scan(
    bytes,
    new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    0,
    bytes.length,
  );
  if (fault !== 0) throw new WireError(fault);
  const text = (offset: number, length: number) =>
    length === 0 ? undefined : Buffer.from(bytes).toString('latin1', offset, offset + length);
  return {
    type: header.type,
    flags: header.flags,
    serial: header.serial,
    unixFds: header.unixFds,
    path: text(header.pathOffset, header.pathLength),
    interface: text(header.interfaceOffset, header.interfaceLength),
    member: text(header.memberOffset, header.memberLength),
    errorName: text(header.errorNameOffset, header.errorNameLength),
    destination: text(header.destinationOffset, header.destinationLength),
    sender: text(header.senderOffset, header.senderLength),
  };
}

function pick(from: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, (from as Record<string, unknown>)[key]]));
}

// One codec, three ways in which its values look in JavaScript: what they share, and where they differ.
import { Variant as NextVariant } from 'dbus-next';
import { describe, expect, test } from 'vitest';
import { BodyReader } from '#bridge/client/body-reader.js';
import { BodyWriter } from '#bridge/client/body-writer.js';
import { ValueReader } from '#bridge/client/dbus-next/value-reader.js';
import { ValueWriter } from '#bridge/client/dbus-next/value-writer.js';
import { encodeBody } from '#bridge/wire/marshal.js';
import { parseSignatureText } from '#bridge/wire/signature.js';
import { Variant } from '#bridge/wire/types.js';
import { decodeBody } from '#bridge/wire/unmarshal.js';
import { Message } from '#core/index.js';

const native = { writer: new BodyWriter(), reader: new BodyReader() };
const next = { writer: new ValueWriter(), reader: new ValueReader() };

function writeNative(signature: string, values: readonly unknown[]): Uint8Array {
  const message = new Message();
  native.writer.write(signature, values, message);
  return message.copyBytes();
}

function writeNext(signature: string, values: readonly unknown[]): Uint8Array {
  next.writer.write(signature, values);
  return next.writer.bytes.slice(0, next.writer.length);
}

function readNext(signature: string, bytes: Uint8Array, descriptorOf?: (index: number) => number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parsed = parseSignatureText(signature)!;
  return next.reader.read(parsed, bytes, view, 0, bytes.length, true, descriptorOf);
}

/** `levels` variants around a byte. */
const nested = (levels: number, make: (signature: string, value: unknown) => unknown): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = make(i === 0 ? 'y' : 'v', value);
  return value;
};

describe('all conventions', () => {
  const writers = [
    ['plain', encodeBody, (text: string, value: unknown) => new Variant(text, value)],
    ['native', writeNative, (text: string, value: unknown) => new Variant(text, value)],
    ['dbus-next', writeNext, (text: string, value: unknown) => new NextVariant(text, value)],
  ] as const;

  test.each(writers)('%s: values are nested at most 64 deep', (_name, write, make) => {
    const deepest = write('v', [nested(64, make)]);
    expect(decodeBody('v', deepest)).toHaveLength(1);
    expect(() => write('v', [nested(65, make)])).toThrow('nested more than 64 deep');
  });

  test.each(writers)('%s: an error names the place, also after another error', (_name, write) => {
    const wrong = () =>
      write('sa(ys)', [
        '',
        [
          [1, 'a'],
          [2, 3],
        ],
      ]);
    expect(wrong).toThrow("argument 1[1][1]: type 's' takes a string, not 3");
    expect(wrong).toThrow("argument 1[1][1]: type 's' takes a string, not 3");
    expect(() => write('ss', ['a', 1])).toThrow("argument 1: type 's'");
  });

  test.each(writers)('%s: a body after a long one is the same as before', (_name, write) => {
    const before = write('yus', [1, 2, 'text']);
    write('ay', [new Uint8Array(3 << 20).fill(0xff)]);
    write('s', ['\u20ac'.repeat(200_000)]);
    expect(write('yus', [1, 2, 'text'])).toEqual(before);
  });
});

describe('the native convention', () => {
  const long = (length: number) => new Uint8Array(length).fill(length);

  test('long byte arrays are sent from where they are, among values of any type', () => {
    const dict = new Map([['key', new Variant('(yt)', [1, 2n])]]);
    const values = [long(1025), dict, long(2047), ['a', 'b'], [long(4099), long(3)], 7, 8n];
    const message = new Message();
    native.writer.write('aya{sv}ayasaayut', values, message);
    expect(Array.from(message.pieces)).toContain(values[0]);
    expect(Array.from(message.pieces)).toContain(values[2]);
    expect(message.copyBytes()).toEqual(encodeBody('aya{sv}ayasaayut', values));
  });

  test('a body that is not valid takes nothing of what came with it', () => {
    const bytes = new Uint8Array(
      encodeBody('a{sv}b', [new Map([['fd', new Variant('h', 0)]]), true]),
    );
    bytes[bytes.length - 4] = 2;
    const taken: number[] = [];
    const references = {
      capability: (index: number) => taken.push(index),
      descriptor: (index: number) => taken.push(index),
    };
    const parsed = parseSignatureText('a{sv}b')!;
    const view = new DataView(bytes.buffer);
    const read = () => native.reader.read(parsed, bytes, view, 0, bytes.length, true, references);
    expect(read).toThrow('a boolean is neither 0 nor 1');
    expect(taken).toEqual([]);
    bytes[bytes.length - 4] = 1;
    expect(read()).toEqual([new Map([['fd', new Variant('h', 1)]]), true]);
  });

  test('descriptors are numbered, wherever they are', () => {
    const values = [[9, 8], new Variant('h', 7)];
    const bytes = writeNative('ahv', values);
    expect(native.writer.descriptors).toEqual([9, 8, 7]);
    expect(bytes).toEqual(encodeBody('ahv', [[0, 1], new Variant('h', 2)]));
    expect(() => writeNative('h', [-1])).toThrow("type 'h' takes an open file descriptor, not -1");
  });
});

describe("dbus-next's convention", () => {
  const entries = {
    a: new NextVariant('t', 1n),
    b: new NextVariant('v', new NextVariant('b', true)),
  };
  const map = new Map<string, Variant>([
    ['a', new Variant('t', 1n)],
    ['b', new Variant('v', new Variant('b', true))],
  ]);

  /** signature, what dbus-next gives, the same for the bridge itself, what dbus-next gets if it is something else */
  test.each([
    ['a{sv}', entries, map],
    ['a{us}', { 1: 'one' }, new Map([[1, 'one']])],
    ['a{bs}', { true: 'yes' }, new Map([[true, 'yes']])],
    ['a{xs}', { '-5': 'five' }, new Map([[-5n, 'five']])],
    ['a{od}', { '/a': 0.5 }, new Map([['/a', 0.5]])],
    ['ay', Buffer.from('bytes'), new Uint8Array(Buffer.from('bytes'))],
    ['ay', [1, 2], new Uint8Array([1, 2]), Buffer.from([1, 2])],
    ['b', 1, true, true],
    ['x', -7, -7n, -7n],
    ['t', '18446744073709551615', 2n ** 64n - 1n, 2n ** 64n - 1n],
    ['s', Buffer.from('text'), 'text', 'text'],
    ['s', 'half \ud800', 'half \ufffd', 'half \ufffd'],
    ['o', '/a', '/a'],
    ['g', 'a{sv}', 'a{sv}'],
    ['(yas)', [1, ['x']], [1, ['x']]],
  ])('%s %#', (signature, value, plain, read: unknown = value) => {
    const bytes = writeNext(signature, [value]);
    expect(bytes).toEqual(encodeBody(signature, [plain]));
    expect(readNext(signature, bytes)).toEqual([read]);
    expect(readNext(signature, bytes)[0]?.constructor).toBe(Object(read).constructor);
  });

  test.each([
    ['d', Number.NaN, 'a finite number, not NaN'],
    ['d', '1', 'a finite number'],
    ['x', 1.5, 'a 64-bit integer'],
    ['t', -1, 'a 64-bit integer'],
    ['h', -1, 'an integer from 0 to 2147483647'],
    ['h', 2 ** 31, 'an integer from 0 to 2147483647'],
    ['v', new Variant('s', 'of the native API'), 'a Variant'],
    ['v', new NextVariant('ss', 'a'), 'not one single complete type'],
    ['a{sv}', new Map(), 'a plain object, not Map(0) {}'],
    ['a{us}', { text: 'no number' }, "argument 0[NaN]: type 'u'"],
    ['a{sv}', { key: 1 }, "argument 0['key']: type 'v' takes a Variant, not 1"],
    ['ay', [1, 256], "argument 0[1]: type 'y'"],
    ['ay', 'text', 'a Buffer or an array'],
    ['s', 'a\0b', 'contains U+0000'],
    ['o', 'no path', 'not a valid object path'],
  ])('%s %# is refused', (signature, value, text) => {
    expect(() => writeNext(signature, [value])).toThrow(text);
  });

  test('a key that would change what an object inherits is a key like others', () => {
    const bytes = new Uint8Array(encodeBody('a{ss}', [new Map([['__proto__', 'text']])]));
    const [value] = readNext('a{ss}', bytes);
    expect(Object.entries(value as object)).toEqual([['__proto__', 'text']]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test('descriptors are numbered when they are sent, and looked up when they arrive', () => {
    const bytes = writeNext('hah', [30, [40]]);
    expect(next.writer.descriptors).toEqual([30, 40]);
    expect(readNext('hah', bytes, (index) => 100 + index)).toEqual([100, [101]]);
    expect(() => readNext('hah', bytes)).toThrow('negotiateUnixFd');
  });
});

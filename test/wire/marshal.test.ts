import { expect, test } from 'vitest';
import { WireError } from '#bridge/wire/faults.js';
import { encodeBody } from '#bridge/wire/marshal.js';
import { Variant } from '#bridge/wire/types.js';

/* Signature, arguments, what the error says. */
const REFUSED: readonly [string, unknown[], string][] = [
  ['y', [256], "argument 0: type 'y' takes an integer from 0 to 255, not 256"],
  ['y', [-1], 'argument 0'],
  ['n', [0x8000], 'from -32768 to 32767'],
  ['n', [-0x8001], 'argument 0'],
  ['q', [0x10000], 'from 0 to 65535'],
  ['i', [0x80000000], 'from -2147483648 to 2147483647'],
  ['u', [-1], 'from 0 to 4294967295'],
  ['u', [0x100000000], 'argument 0'],
  ['u', [1.5], 'not 1.5'],
  ['u', [Number.NaN], 'not NaN'],
  ['u', ['1'], "not '1'"],
  ['u', [1n], 'not 1n'],
  ['h', [-1], 'from 0 to 4294967295'],
  ['x', [1], 'a bigint of signed 64 bits, not 1'],
  ['x', [2n ** 63n], 'argument 0'],
  ['t', [-1n], 'a bigint of unsigned 64 bits, not -1n'],
  ['t', [2n ** 64n], 'argument 0'],
  ['d', ['1'], 'takes a number'],
  ['b', [1], 'takes a boolean, not 1'],
  ['s', [undefined], 'takes a string, not undefined'],
  ['s', ['a\0b'], 'not valid UTF-8'],
  ['s', ['\ud800'], 'not valid UTF-8'],
  ['s', ['\udc00\ud800'], 'not valid UTF-8'],
  ['o', ['a'], 'not a valid object path'],
  ['o', ['/\u00e9'], 'not a valid object path'],
  ['g', ['('], 'a valid signature'],
  ['ay', [[1, 2]], 'takes a Uint8Array, not [ 1, 2 ]'],
  ['as', ['a'], 'takes an array'],
  ['as', [['a', 1]], "argument 0[1]: type 's' takes a string, not 1"],
  ['a{sv}', [{ a: 1 }], 'takes a Map'],
  ['a{sv}', [new Map([['a', 1]])], "argument 0['a']: type 'v' takes a Variant, not 1"],
  ['a{us}', [new Map([['a', 'b']])], "argument 0['a']: type 'u'"],
  ['sa(yy)', ['', [[1, 2], [1]]], "argument 1[1]: type '(yy)' takes an array of 2 fields"],
  ['(y(yy))', [[1, [2, 300]]], 'argument 0[1][1]'],
  ['v', [new Variant('yy', 1)], 'not one single complete type'],
  ['v', [new Variant('', 1)], 'not one single complete type'],
  ['v', [new Variant('z', 1)], 'a Variant with a valid signature'],
  ['v', [new Variant('y', 256)], 'argument 0: '],
  ['ss', ['a'], '1 arguments for 2 types'],
  ['', [1], '1 arguments for 0 types'],
  ['(', [1], "signature '('"],
];

test.each(REFUSED)('%s does not take %o', (signature, values, text) => {
  const encode = (): unknown => encodeBody(signature, values);
  expect(encode).toThrow(WireError);
  expect(encode).toThrow(text);
});

test('a Variant that contains itself ends at the nesting limit', () => {
  const loop: { signature: string; value: unknown } = new Variant('v', undefined);
  loop.value = loop;
  expect(() => encodeBody('v', [loop])).toThrow('nested more than 64 deep');
});

test('an array ends at 64 MiB', () => {
  const limit = 64 * 1024 * 1024;
  expect(encodeBody('ay', [new Uint8Array(limit)])).toHaveLength(4 + limit);
  expect(() => encodeBody('ay', [new Uint8Array(limit + 1)])).toThrow('longer than 64 MiB');
});

test('a body ends at 128 MiB', () => {
  const half = new Uint8Array(64 * 1024 * 1024);
  expect(() => encodeBody('ayay', [half, half])).toThrow('longer than 128 MiB');
});

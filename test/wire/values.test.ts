import { describe, expect, test } from 'vitest';
import { MessageHeader } from '#bridge/wire/header.js';
import { validateBody } from '#bridge/wire/body.js';
import { encodeBody } from '#bridge/wire/marshal.js';
import { Variant } from '#bridge/wire/types.js';
import { decodeBody } from '#bridge/wire/unmarshal.js';
import { callWithBody, hex, toHex, viewOf } from './hex.js';

/* Written by hand after the specification: signature, arguments, little-endian, big-endian. */
const FIXTURES: readonly [string, unknown[], string, string][] = [
  ['y', [255], 'ff', 'ff'],
  ['b', [true], '01000000', '00000001'],
  ['b', [false], '00000000', '00000000'],
  ['n', [-2], 'feff', 'fffe'],
  ['q', [0x1234], '3412', '1234'],
  ['i', [-2], 'feffffff', 'fffffffe'],
  ['u', [0xfedcba98], '98badcfe', 'fedcba98'],
  ['x', [-2n], 'feffffffffffffff', 'fffffffffffffffe'],
  ['t', [0xf102030405060708n], '08070605040302f1', 'f102030405060708'],
  ['d', [1.5], '000000000000f83f', '3ff8000000000000'],
  ['h', [3], '03000000', '00000003'],
  ['s', [''], '00000000 00', '00000000 00'],
  ['s', ['h\u00e9'], '03000000 68c3a900', '00000003 68c3a900'],
  ['s', ['\uffff\u{10ffff}'], '07000000 efbfbff48fbfbf00', '00000007 efbfbff48fbfbf00'],
  ['o', ['/'], '01000000 2f00', '00000001 2f00'],
  ['o', ['/a_/B9'], '06000000 2f615f2f423900', '00000006 2f615f2f423900'],
  ['g', [''], '0000', '0000'],
  ['g', ['a{sv}'], '05 617b73767d 00', '05 617b73767d 00'],
  ['yu', [1, 2], '01 000000 02000000', '01 000000 00000002'],
  ['yt', [1, 2n], '01 00000000000000 0200000000000000', '01 00000000000000 0000000000000002'],
  ['sq', ['a', 2], '01000000 6100 0200', '00000001 6100 0002'],
  ['ay', [Uint8Array.of(1, 2, 3)], '03000000 010203', '00000003 010203'],
  ['ab', [[true, false]], '08000000 01000000 00000000', '00000008 00000001 00000000'],
  ['at', [[]], '00000000 00000000', '00000000 00000000'],
  ['at', [[1n]], '08000000 00000000 0100000000000000', '00000008 00000000 0000000000000001'],
  [
    'as',
    [['a', 'bc']],
    '0f000000 01000000 6100 0000 02000000 626300',
    '0000000f 00000001 6100 0000 00000002 626300',
  ],
  ['aas', [[['a']]], '0a000000 06000000 01000000 6100', '0000000a 00000006 00000001 6100'],
  ['(yu)', [[1, 2]], '01 000000 02000000', '01 000000 00000002'],
  ['y(y)', [1, [2]], '01 00000000000000 02', '01 00000000000000 02'],
  [
    'a(yq)',
    [
      [
        [1, 2],
        [3, 4],
      ],
    ],
    '0c000000 00000000 01 00 0200 00000000 03 00 0400',
    '0000000c 00000000 01 00 0002 00000000 03 00 0004',
  ],
  [
    'a{sy}',
    [
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    ],
    '0f000000 00000000 01000000 6100 01 00 01000000 6200 02',
    '0000000f 00000000 00000001 6100 01 00 00000001 6200 02',
  ],
  ['a{us}', [new Map()], '00000000 00000000', '00000000 00000000'],
  ['v', [new Variant('u', 5)], '017500 00 05000000', '017500 00 00000005'],
  ['v', [new Variant('v', new Variant('y', 7))], '017600 017900 07', '017600 017900 07'],
  [
    'v',
    [new Variant('(s)', ['a'])],
    '03 287329 00 000000 01000000 6100',
    '03 287329 00 000000 00000001 6100',
  ],
  [
    'a{sv}',
    [new Map([['k', new Variant('u', 1)]])],
    '10000000 00000000 01000000 6b00 017500 000000 01000000',
    '00000010 00000000 00000001 6b00 017500 000000 00000001',
  ],
];

describe.each(FIXTURES)('%s', (signature, values, little, big) => {
  test.each([
    ['little', true, little],
    ['big', false, big],
  ])('%s-endian', (_order, littleEndian, digits) => {
    const bytes = hex(digits);
    expect(toHex(encodeBody(signature, values, littleEndian))).toBe(toHex(bytes));
    expect(decodeBody(signature, bytes, littleEndian)).toEqual(values);

    const message = callWithBody(signature, bytes, littleEndian);
    const header = new MessageHeader();
    expect(header.scan(message, viewOf(message), 0, message.length)).toBe(0);
    expect(validateBody(header)).toBe(0);
  });
});

test('what is decoded shares no memory with the message', () => {
  const bytes = hex('03000000 010203');
  const [array] = decodeBody('ay', bytes);
  bytes.fill(0);
  expect(array).toEqual(Uint8Array.of(1, 2, 3));
});

test('values nest 64 deep', () => {
  const nested = (depth: number): string => '017600'.repeat(depth - 1) + '017900 07';
  expect(decodeBody('v', hex(nested(64)))).toHaveLength(1);
  expect(() => decodeBody('v', hex(nested(65)))).toThrow('nested more than 64 deep');

  const variant = (depth: number): Variant =>
    depth === 1 ? new Variant('y', 7) : new Variant('v', variant(depth - 1));
  expect(toHex(encodeBody('v', [variant(64)]))).toBe(toHex(hex(nested(64))));
  expect(() => encodeBody('v', [variant(65)])).toThrow('nested more than 64 deep');
});

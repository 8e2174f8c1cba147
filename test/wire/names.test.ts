import { describe, expect, test } from 'vitest';
import {
  isUniqueName,
  parseBusName,
  parseErrorName,
  parseInterfaceName,
  parseMemberName,
  parseObjectPath,
  parseSignature,
  parseUniqueName,
  parseWellKnownName,
} from '#bridge/wire/names.js';

const long = (length: number): string => `a.${'b'.repeat(length - 2)}`;

/* Door, what it takes, what it refuses. */
const DOORS: readonly [string, (text: string) => string | undefined, string[], string[]][] = [
  [
    'bus names',
    parseBusName,
    ['a.b', '-a.-b', '_.a1.b-2', ':1.42', ':1', ':', ':.a', ':a.-b', long(255)],
    ['', 'a', '.a', 'a.', 'a..b', '1.a', 'a.1', 'a.b c', 'a.\u00e9', ':1.', ':1..2', long(256)],
  ],
  ['unique names', parseUniqueName, [':1.42'], ['a.b', '', ':1.']],
  ['well-known names', parseWellKnownName, ['a.b'], [':1.42', '', 'a.']],
  [
    'interface names',
    parseInterfaceName,
    ['a.b', '_._', 'a1.b_2.C', long(255)],
    ['', 'a', 'a.', '.a', 'a..b', 'a.1', '1.a', 'a.b-c', ':1.42', 'a.b\0', long(256)],
  ],
  ['error names', parseErrorName, ['a.b', long(255)], ['', 'a', 'a.b-c', 'a.1', long(256)]],
  [
    'member names',
    parseMemberName,
    ['a', '_', 'Get1', 'a'.repeat(255)],
    ['', '1', 'a.b', 'a-b', 'a b', '\u00e9', 'a'.repeat(256)],
  ],
  [
    'object paths',
    parseObjectPath,
    ['/', '/a', '/1/_/B', `/${'a'.repeat(5000)}`],
    ['', 'a', '//', '/a/', '/a//b', '/a-b', '/\u00e9', '/a\0'],
  ],
  ['signatures', parseSignature, ['', 'a{sv}', 'ii'], ['a', 'z', '(', '\u00e9', 'y'.repeat(256)]],
];

describe.each(DOORS)('%s', (_kind, parse, valid, invalid) => {
  test.each(valid)('%s', (text) => expect(parse(text)).toBe(text));
  test.each(invalid)('not %j', (text) => expect(parse(text)).toBeUndefined());
});

test('a unique name is told by its colon', () => {
  const kinds = [':1.42', 'a.b'].map(parseBusName).map((name) => name && isUniqueName(name));
  expect(kinds).toEqual([true, false]);
});

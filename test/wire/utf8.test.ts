import { expect, test } from 'vitest';
import { isUtf8 } from '#bridge/wire/utf8.js';

/* Long texts are checked by other code than short ones: the same table at lengths around the border and far from it. */
const LENGTHS = [40, 1022, 1023, 1024, 1025, 5000];
const CASES: readonly [string, readonly number[], boolean][] = [
  ['ASCII', [0x61], true],
  ['two bytes', [0xc3, 0xa4], true],
  ['three bytes', [0xe2, 0x82, 0xac], true],
  ['four bytes', [0xf0, 0x9f, 0x9a, 0x8c], true],
  ['a noncharacter', [0xef, 0xbf, 0xbf], true],
  ['NUL', [0x00], false],
  ['an overlong slash', [0xc0, 0xaf], false],
  ['a surrogate', [0xed, 0xa0, 0x80], false],
  ['above U+10FFFF', [0xf4, 0x90, 0x80, 0x80], false],
  ['a lone continuation byte', [0x80], false],
  ['a cut sequence', [0xe2, 0x82], false],
];

const SURROUNDINGS = 16;

for (const [what, piece, isValid] of CASES) {
  test.each(LENGTHS)(`${what} at the start, in the middle and at the end of %i bytes`, (length) => {
    for (const at of [0, length >> 1, length - piece.length]) {
      const bytes = new Uint8Array(length + 2 * SURROUNDINGS).fill(0xff);
      bytes.fill(0x61, SURROUNDINGS, SURROUNDINGS + length);
      bytes.set(piece, SURROUNDINGS + at);
      const view = new DataView(bytes.buffer);
      expect(isUtf8(bytes, view, SURROUNDINGS, length)).toBe(isValid);
    }
  });
}

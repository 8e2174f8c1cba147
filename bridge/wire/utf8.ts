import { isUtf8 as isUtf8Native } from 'node:buffer';

/** From this length on, the native check with vector instructions outweighs the cost of making a Buffer for it. */
const NATIVE_MIN_LENGTH = 1024;

/**
 * Whether the bytes are a D-Bus string: UTF-8 as Unicode defines it (no overlong forms, no surrogates,
 * nothing above U+10FFFF) without U+0000. Noncharacters are allowed (Unicode Corrigendum 9).
 * `view` spans the same memory as `bytes`.
 */
export function isUtf8(bytes: Uint8Array, view: DataView, offset: number, length: number): boolean {
  if (length >= NATIVE_MIN_LENGTH) return isLongUtf8(bytes, offset, length);
  const end = offset + length;
  let i = offset;
  for (;;) {
    while (end - i >= 4 && isAsciiWord(view.getInt32(i, true))) i += 4;
    if (i >= end) return true;
    if (bytes[i] === 0) return false;
    if (bytes[i] < 0x80) i++;
    /* Characters beyond ASCII usually come several in a row. */
    while (i < end && bytes[i] >= 0x80) {
      const sequenceLength = multibyteLength(bytes, i, end);
      if (sequenceLength === 0) return false;
      i += sequenceLength;
    }
  }
}

function isLongUtf8(bytes: Uint8Array, offset: number, length: number): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
  return isUtf8Native(text) && !text.includes(0);
}

/** Four bytes of 0x01 to 0x7f: subtracting 1 from each borrows, and so sets a top bit, only for 0. */
function isAsciiWord(word: number): boolean {
  return (((word - 0x01010101) | word) & 0x80808080) === 0;
}

/** Length of the sequence of two to four bytes at `i`, or 0 when it is malformed or cut off. */
function multibyteLength(bytes: Uint8Array, i: number, end: number): number {
  const lead = bytes[i];
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (end - i < length) return 0;
  const second = bytes[i + 1];
  /* Unicode, table 3-7: four lead bytes narrow the range of the second byte. */
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return 0;
  if (length > 2 && (bytes[i + 2] & 0xc0) !== 0x80) return 0;
  if (length > 3 && (bytes[i + 3] & 0xc0) !== 0x80) return 0;
  return length;
}

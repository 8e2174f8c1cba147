import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { validateBody } from '#bridge/wire/body.js';
import { WireError } from '#bridge/wire/faults.js';
import { MessageHeader, frameLength } from '#bridge/wire/header.js';
import { decodeMessage } from '#bridge/wire/message.js';
import { decodeBody } from '#bridge/wire/unmarshal.js';
import { SEED, completeTypeText } from './arbitraries.js';
import { viewOf } from './hex.js';
import { mutatedMessage } from './mutations.js';
import { thrownBy } from './thrown-by.js';

const RUNS = { seed: SEED, numRuns: 3000 };

/** Everything that can be learnt about the message, its place in memory excepted. */
function verdict(bytes: Uint8Array, start: number, end: number): object {
  const view = viewOf(bytes);
  const header = new MessageHeader();
  const length = frameLength(bytes, view, start, end);
  const scan = header.scan(bytes, view, start, end);
  if (scan !== 0) return { length, scan };
  const offsets = Object.entries(header)
    .filter(([name]) => /Offset$|Start$|End$|^start$|^end$/.test(name))
    .map(([name, value]) => [name, value === 0 ? 0 : Number(value) - start]);
  return { length, scan, body: validateBody(header), ...Object.fromEntries(offsets) };
}

/** The bytes with others around them, at any alignment. */
function surrounded(bytes: Uint8Array, before: number, filling: Uint8Array): Uint8Array {
  const whole = new Uint8Array(before + bytes.length + 64);
  for (let i = 0; i < whole.length; i++) whole[i] = filling[i % filling.length];
  whole.set(bytes, before);
  return whole;
}

test('what surrounds a message has no effect', () => {
  const filling = fc.oneof(
    fc.constantFrom(Uint8Array.of(0), Uint8Array.of(0xff), Uint8Array.of(1)),
    fc.uint8Array({ minLength: 1, maxLength: 64 }),
  );
  const before = fc.integer({ min: 1, max: 24 });
  fc.assert(
    fc.property(mutatedMessage, before, filling, (bytes, offset, other) => {
      const expected = verdict(surrounded(bytes, 8, Uint8Array.of(0)), 8, 8 + bytes.length);
      const moved = surrounded(bytes, offset, other);
      expect(verdict(moved, offset, offset + bytes.length)).toEqual(expected);
    }),
    RUNS,
  );
});

test('nothing is read after the last byte of the memory', () => {
  fc.assert(
    fc.property(mutatedMessage, fc.nat({ max: 64 }), (bytes, cut) => {
      const end = Math.max(bytes.length - cut, 0);
      const exact = bytes.slice(0, end);
      expect(verdict(exact, 0, end)).toEqual(verdict(bytes, 0, end));
    }),
    RUNS,
  );
});

const isNothingOrWireError = (error: unknown): boolean =>
  error === undefined || error instanceof WireError;

test('decodeMessage throws nothing but WireError', () => {
  fc.assert(
    fc.property(fc.oneof(mutatedMessage, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      expect(thrownBy(() => decodeMessage(bytes))).toSatisfy(isNothingOrWireError);
    }),
    RUNS,
  );
});

test('decodeBody throws nothing but WireError', () => {
  const signature = fc.oneof(completeTypeText, fc.string({ maxLength: 8 }));
  const bytes = fc.array(fc.constantFrom(0, 0, 0, 0, 1, 2, 4, 8, 0x61, 0x73, 0x76, 0xff), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(signature, bytes, fc.boolean(), (types, data, littleEndian) => {
      const decode = (): unknown => decodeBody(types, Uint8Array.from(data), littleEndian);
      expect(thrownBy(decode)).toSatisfy(isNothingOrWireError);
    }),
    RUNS,
  );
});

import { describe, expect, test } from 'vitest';
import {
  Control,
  encode,
  readControl,
  type ControlArrival,
  type ControlName,
  type Place,
  type Sender,
} from '#bridge/registry/control-message.js';
import type { FieldType } from '#bridge/registry/field-types.js';
import { seededRandom } from '../core/random.js';
import { mutated } from '../fuzz/target.js';
import { anySamples } from './control-samples.js';

interface Row {
  readonly code: number;
  readonly from: readonly Sender[];
  readonly to: Place;
  readonly handles: readonly string[];
  readonly optionalHandles: readonly string[];
  readonly fields: FieldType<object>;
}

const NAMES = Object.keys(Control) as ControlName[];
const ROWS: readonly [ControlName, Row][] = NAMES.map((name) => [name, Control[name]]);
const random = seededRandom('CONTROL_SEED', 'control messages');

function arrivalOf(bytes: Uint8Array, handles = 0, ownFrom = 0): ControlArrival {
  return { bytes, handles: { length: handles }, ownFrom };
}

/** Reads bytes as they arrive when everything but they themselves is right. */
function read({ from, to, handles }: Row, bytes: Uint8Array): object | undefined {
  return readControl(
    to,
    arrivalOf(bytes, handles.length),
    from.some((each) => each !== 'peer'),
  );
}

function sample(name: ControlName): object {
  return anySamples(random)[name];
}

test('every message has a code of its own, with which no D-Bus message begins', () => {
  const codes = ROWS.map(([, { code }]) => code);
  expect(new Set(codes).size).toBe(codes.length);
  expect(codes.every((code) => code > 0 && code < 'B'.charCodeAt(0))).toBe(true);
});

describe.each(ROWS)('%s', (name, row) => {
  test('is read as it was written', () => {
    for (let i = 0; i < 200; i++) {
      const fields = sample(name);
      expect(read(row, encode(row, fields))).toStrictEqual({ type: name, ...fields });
    }
  });

  test('is read where it lies in other memory', () => {
    const fields = sample(name);
    const bytes = encode(row, fields);
    const memory = new Uint8Array(bytes.length + 7).fill(0xff);
    memory.set(bytes, 3);
    const part = memory.subarray(3, 3 + bytes.length);
    expect(read(row, part)).toStrictEqual({ type: name, ...fields });
  });

  test('is malformed if it is cut anywhere, or longer', () => {
    for (let i = 0; i < 3; i++) {
      const bytes = encode(row, sample(name));
      for (let end = 0; end < bytes.length; end++) {
        if (read(row, bytes.subarray(0, end)) !== undefined) throw new Error(`cut at ${end}`);
      }
      expect(read(row, Buffer.concat([bytes, Uint8Array.of(0)]))).toBeUndefined();
    }
  });

  test('whatever the bytes are, is read or is not, and can be written again', () => {
    for (let i = 0; i < 500; i++) {
      const bytes = mutated(random, encode(row, sample(name)));
      if (bytes.length > 0) bytes[0] = row.code;
      const found = read(row, bytes);
      expect(found && read(row, encode(row, found))).toStrictEqual(found);
    }
  });

  test('counts only from those who may send it, only at its place, and only with its handles', () => {
    const bytes = encode(row, sample(name));
    const { from, to, handles, optionalHandles } = row;
    const least = handles.length;
    const most = least + optionalHandles.length;
    for (const isOfBus of [false, true]) {
      const mayCome = from.some((each) => (each !== 'peer') === isOfBus);
      for (const place of new Set(ROWS.map(([, each]) => each.to))) {
        for (let count = 0; count < most + 2; count++) {
          const isRight = mayCome && place === to && count >= least && count <= most;
          const found = readControl(place, arrivalOf(bytes, count), isOfBus);
          expect(found !== undefined).toBe(isRight);
        }
      }
      const isAnybodys = !from.includes('peer');
      const found = readControl(to, arrivalOf(bytes, most, 1), isOfBus);
      expect(found !== undefined).toBe(mayCome && isAnybodys);
    }
  });
});

test('who may send what', () => {
  const ofPeers = ROWS.filter(([, { from }]) => from.includes('peer')).map(([name]) => name);
  expect(ofPeers).toEqual(['Resolve', 'NameNode', 'Admit', 'Denied']);
});

test('nothing, and codes that nobody has declared', () => {
  for (const { to } of Object.values(Control)) {
    expect(readControl(to, arrivalOf(new Uint8Array(0)), true)).toBeUndefined();
    for (const code of [0, 0x42, 0x6c, 0xff]) {
      expect(readControl(to, arrivalOf(Uint8Array.of(code)), true)).toBeUndefined();
    }
  }
});

describe('a writer', () => {
  test('refuses values that a field cannot have', () => {
    const name = 'n'.repeat(256);
    expect(() => encode(Control.Resolve, { name })).toThrow(RangeError);
    for (const number of [-1, 0.5, NaN, 2 ** 32]) {
      expect(() => encode(Control.Welcome, { number })).toThrow(RangeError);
    }
    expect(() => encode(Control.Resolved, { resolution: 3 as 2, owner: 0 })).toThrow(RangeError);
  });

  test('is not disturbed by what it has refused', () => {
    expect(() => encode(Control.Resolve, { name: 'n'.repeat(256) })).toThrow(RangeError);
    expect(encode(Control.Accepting, { isAccepting: true })).toEqual(Uint8Array.of(17, 1));
  });

  test('cuts a text for people after a whole character', () => {
    const reason = 'a'.repeat(4095) + 'é';
    const bytes = encode(Control.Disconnect, { reason });
    const found = readControl('inbox', arrivalOf(bytes), true);
    expect(found).toEqual({ type: 'Disconnect', reason: 'a'.repeat(4095) });
  });
});

test('what a reader refuses', () => {
  const refused = (...bytes: number[]): void =>
    expect(readControl('root', arrivalOf(Uint8Array.from(bytes), 2), true)).toBeUndefined();
  const { code } = Control.Admit;
  refused(code, 2, 0); // neither true nor false
  refused(code, 1, 2); // neither there nor absent
  refused(code, 1, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0); // more groups than bytes
  const text = (...bytes: number[]): unknown => {
    const message = Uint8Array.of(Control.Resolve.code, bytes.length, 0, 0, 0, ...bytes);
    return readControl('registry', arrivalOf(message, 1), false);
  };
  expect(text(0x61)).toEqual({ type: 'Resolve', name: 'a' });
  expect(text(0xc0, 0x80)).toBeUndefined();
  expect(text(0xed, 0xa0, 0x80)).toBeUndefined();
  const tooLong = Uint8Array.from({ length: 261 }, () => 0x61);
  tooLong.set([Control.Resolve.code, 0, 1, 0, 0]);
  expect(readControl('registry', arrivalOf(tooLong, 1), false)).toBeUndefined();
});

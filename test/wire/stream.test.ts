import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { validateBody } from '#bridge/wire/body.js';
import { MessageHeader, frameLength } from '#bridge/wire/header.js';
import type { MessageFields } from '#bridge/wire/message.js';
import { decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { SEED, body, objectPath } from './arbitraries.js';
import { toHex, viewOf } from './hex.js';

/** What a connection does with bytes that arrive in pieces: whole messages out, the rest kept. */
class Reassembly {
  readonly messages: string[] = [];
  private readonly header = new MessageHeader();
  private pending = new Uint8Array(0);

  receive(piece: Uint8Array): void {
    const bytes = new Uint8Array(Buffer.concat([this.pending, piece]));
    const view = viewOf(bytes);
    let start = 0;
    for (;;) {
      const length = frameLength(bytes, view, start, bytes.length);
      if (length < 0) throw new Error(`fault ${-length}`);
      if (length === 0 || length > bytes.length - start) break;
      const fault = this.header.scan(bytes, view, start, start + length);
      if (fault !== 0 || validateBody(this.header) !== 0) throw new Error('not a valid message');
      this.messages.push(toHex(bytes.slice(start, start + length)));
      start += length;
    }
    this.pending = bytes.slice(start);
  }

  get pendingBytes(): number {
    return this.pending.length;
  }
}

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
const dotted = fc.tuple(name, name).map((elements) => elements.join('.'));
const busName = fc.oneof(
  dotted,
  fc.nat().map((id) => `:1.${id}`),
);
const serial = fc.integer({ min: 1, max: 0xffffffff });

/** Fields of every type, with what each requires, and what it may have. */
const fields: fc.Arbitrary<MessageFields> = fc.oneof(
  fc.record({
    type: fc.constant(MessageType.MethodCall),
    serial,
    path: objectPath,
    member: name,
    interface: fc.option(dotted, { nil: undefined }),
    destination: fc.option(busName, { nil: undefined }),
  }),
  fc.record({
    type: fc.constant(MessageType.Signal),
    serial,
    path: objectPath,
    interface: dotted,
    member: name,
    sender: fc.option(busName, { nil: undefined }),
  }),
  fc.record({
    type: fc.constant(MessageType.Error),
    serial,
    errorName: dotted,
    replySerial: serial,
    flags: fc.integer({ min: 0, max: 255 }),
  }),
  fc.record({ type: fc.constant(MessageType.MethodReturn), serial, replySerial: serial }),
);

const message = fc
  .tuple(fields, body, fc.boolean())
  .map(([header, { signature, values }, littleEndian]) => ({
    header: { ...header, signature: signature === '' ? undefined : signature },
    values,
    littleEndian,
    bytes: encodeMessage({ ...header, signature }, values, littleEndian),
  }));

test('what encodeMessage writes, decodeMessage reads', () => {
  fc.assert(
    fc.property(message, ({ header, values, littleEndian, bytes }) => {
      const present = Object.entries(header).filter(([, value]) => value !== undefined);
      expect(decodeMessage(bytes)).toEqual({
        flags: 0,
        ...Object.fromEntries(present),
        littleEndian,
        body: values,
      });
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('messages are the same wherever the stream is split', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), (messages) => {
      const stream = new Uint8Array(Buffer.concat(messages.map(({ bytes }) => bytes)));
      const expected = messages.map(({ bytes }) => toHex(bytes));
      for (let split = 0; split <= stream.length; split++) {
        const reassembly = new Reassembly();
        reassembly.receive(stream.slice(0, split));
        reassembly.receive(stream.slice(split));
        expect(reassembly.messages).toEqual(expected);
        expect(reassembly.pendingBytes).toBe(0);
      }
    }),
    { seed: SEED, numRuns: 20 },
  );
});

test('messages are the same when bytes arrive one by one', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), (messages) => {
      const stream = new Uint8Array(Buffer.concat(messages.map(({ bytes }) => bytes)));
      const reassembly = new Reassembly();
      for (const byte of stream) reassembly.receive(Uint8Array.of(byte));
      expect(reassembly.messages).toEqual(messages.map(({ bytes }) => toHex(bytes)));
    }),
    { seed: SEED, numRuns: 20 },
  );
});

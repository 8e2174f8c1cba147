import * as fc from 'fast-check';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { body } from './arbitraries.js';

/** Bytes that mean something somewhere: lengths, type codes, separators, limits. */
const interesting = fc.constantFrom(
  ...Uint8Array.of(0, 1, 2, 3, 4, 5, 7, 8, 0x0a, 0x10, 0x7f, 0x80, 0xc3, 0xed, 0xf4, 0xff),
  ...Buffer.from('ybnqiuxtdhsogva(){}lB/.:-_Az09'),
);

const mutation = fc.record({
  /** As a fraction of the message, so that it stays put while the message shrinks. */
  place: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  byte: fc.oneof(interesting, fc.integer({ min: 0, max: 255 })),
});

/** A call with every field, so that each can be damaged. */
export const wholeMessage: fc.Arbitrary<Uint8Array> = fc
  .tuple(body, fc.boolean(), fc.constantFrom(...Object.values(MessageType).slice(1)))
  .map(([{ signature, values }, littleEndian, type]) =>
    encodeMessage(
      {
        type,
        serial: 7,
        path: '/org/example',
        interface: 'org.example.I',
        member: 'Member',
        errorName: 'org.example.E',
        destination: ':1.42',
        sender: 'org.example',
        replySerial: 3,
        signature,
      },
      values,
      littleEndian,
    ),
  );

/** A message with none to three bytes changed. */
export const mutatedMessage: fc.Arbitrary<Uint8Array> = fc
  .tuple(wholeMessage, fc.array(mutation, { maxLength: 3 }))
  .map(([message, mutations]) => {
    const bytes = message.slice();
    for (const { place, byte } of mutations) bytes[Math.floor(place * bytes.length)] = byte;
    return bytes;
  });

import type { Message } from '#core/index.js';
import type { Facet } from '#policy/index.js';
import { MessageHeader } from '#bridge/wire/header.js';

/**
 * A D-Bus message on its way through the core, as its sender has read and checked it: the `note` of a
 * core message whose bytes are in wire format. A message without an envelope is a control message (control-message.ts).
 */
export class Envelope {
  readonly header = new MessageHeader();
  /** the number of the sender's unique name; DRIVER_NUMBER for the driver */
  senderNumber = -1;
  /** the facet that checks replies to this call; null: none has to be checked */
  replyFacet: Facet | null = null;
}

/** A D-Bus message as its sender has made it: nothing has arrived with it. */
export type SentMessage = Message<Envelope, unknown, never>;

/** Stands for org.freedesktop.DBus where connections are told apart by number. */
export const DRIVER_NUMBER = -1;

/**
 * Connections are known by number where strings would be too slow: N is `:1.N`, and `SECOND_SPACE` and more is `:2.N`.
 * A bus that is attached to another one gives names of the second kind to connections without a name on that one.
 */
export const SECOND_SPACE = 0x40000000;

/** The number of a unique name; -1 when these bytes do not have the form of this bus's unique names. */
// hot
export function uniqueNumber(bytes: Uint8Array, offset: number, length: number): number {
  if (length < 4 || length > 13) return -1;
  if (bytes[offset] !== 0x3a || bytes[offset + 2] !== 0x2e) return -1;
  const space = bytes[offset + 1] - 0x31;
  if (space !== 0 && space !== 1) return -1;
  let number = 0;
  for (let i = offset + 3; i < offset + length; i++) {
    const digit = bytes[i] - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  if (number >= SECOND_SPACE || (bytes[offset + 3] === 0x30 && length > 4)) return -1;
  return space * SECOND_SPACE + number;
}

export function uniqueName(number: number): string {
  return number < SECOND_SPACE ? `:1.${number}` : `:2.${number - SECOND_SPACE}`;
}

/** The number of a unique name; -1 when it does not have the form of this bus's unique names. */
export function numberOfName(name: string): number {
  return uniqueNumber(Buffer.from(name, 'latin1'), 0, name.length);
}

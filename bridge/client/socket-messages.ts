import type { Message } from '#core/index.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { decodeMessage } from '#bridge/wire/message.js';

const SERIAL_OFFSET = 8;

/** The object that a node of the bus represents. */
export const Root = { kind: 'root' } as const;
export const Registry = { kind: 'registry' } as const;
export interface Destination {
  readonly kind: 'destination';
  readonly name: string;
}
/** Where the reply to a call that came from the bus goes. */
export interface Caller {
  readonly kind: 'caller';
  readonly name: string;
  readonly serial: number;
}
export type Context = typeof Root | typeof Registry | Destination | Caller;
/** A serial: of a reply handle. A name: of the handle to a node for it. */
export type HandleContext = number | string;
/** What the program sends. */
export type Outgoing = Message<unknown, unknown, HandleContext>;

/** The name that a message to the bus requests, if it is a call of RequestName. */
export function requestedName(message: Message): string | undefined {
  const { member, body } = decodeMessage(message.copyBytes());
  return member === 'RequestName' ? String(body[0]) : undefined;
}

export function patchSerial(bytes: Uint8Array, serial: number): void {
  for (let i = 0; i < 4; i++) bytes[SERIAL_OFFSET + i] = serial >>> (8 * i);
}

export function textAt({ bytes }: MessageHeader, offset: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('latin1');
}

import { MessageType } from '#bridge/wire/types.js';

/** A header field: its code, the signature of its variant, and the marshalled value. */
export type RawField = readonly [code: number, signature: string, value: Uint8Array];

export interface RawMessage {
  mark?: string;
  type?: number;
  version?: number;
  serial?: number;
  fields?: readonly RawField[];
  body?: Uint8Array;
  /** What the header says, if that is not so. */
  bodyLength?: number;
  fieldsLength?: number;
  /** What stands between the fields and the body. */
  padding?: number;
}

export function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** A string or an object path. */
export function string(text: string | Uint8Array, end = 0): Uint8Array {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([word(bytes.length), bytes, Uint8Array.of(end)]);
}

export function signature(text: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(text.length), Buffer.from(text), Uint8Array.of(0)]);
}

export const PATH: RawField = [1, 'o', string('/a')];
export const MEMBER: RawField = [3, 's', string('M')];
export const REPLY_SERIAL: RawField = [5, 'u', word(1)];
export const DESTINATION: RawField = [6, 's', string('a.b')];

/** A field that says of which types the body is. */
export function bodyOf(types: string): RawField {
  return [8, 'g', signature(types)];
}

/** The bytes of a little-endian message that need not be valid; by default a call of M at /a. */
export function rawMessage(message: RawMessage): Uint8Array {
  const { mark = 'l', type = MessageType.MethodCall, version = 1, serial = 7 } = message;
  const { fields = [PATH, MEMBER], body = new Uint8Array(0), padding = 0 } = message;
  let written: Uint8Array = new Uint8Array(0);
  for (const [code, types, value] of fields) {
    const start = Buffer.concat([written, new Uint8Array(-written.length & 7)]);
    const prologue = Buffer.concat([Uint8Array.of(code), signature(types)]);
    written = Buffer.concat([start, prologue, value]);
  }
  const { bodyLength = body.length, fieldsLength = written.length } = message;
  return Buffer.concat([
    Buffer.from(mark),
    Uint8Array.of(type, 0, version),
    word(bodyLength),
    word(serial),
    word(fieldsLength),
    written,
    new Uint8Array(-written.length & 7).fill(padding),
    body,
  ]);
}

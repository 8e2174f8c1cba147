import { NOT_ACTIVE_YET } from '#bridge/registry/connection.js';
import { uniqueName } from '#bridge/registry/envelope.js';
import { ARRAY_MAX_BYTES } from '#bridge/wire/limits.js';
import { FieldCode, TypeCode } from '#bridge/wire/types.js';

import type { Arena } from './arena.js';

/** A field of at most 8 + 15 + 1 bytes, twice: `:not.active.yet` is the longest name that we give. */
const BLOCK_SHIFT = 6;
const VARIANT_BYTES = 32;

/** The most that a message can grow by this field, with padding before and after it. */
export const SENDER_FIELD_MAX_BYTES = VARIANT_BYTES;

/** The limit for the fields of a client's message, so that no receiver has to refuse it with the SENDER field added. */
export const FIELDS_MAX_BYTES = ARRAY_MAX_BYTES - SENDER_FIELD_MAX_BYTES;

/**
 * The SENDER header field of one connection, marshalled once in each byte order: the bus adds it to every message
 * (D-Bus specification, "Header Fields") by copying these bytes.
 */
export class SenderField {
  readonly bytes: Uint8Array;
  fieldBytes = 0;
  /** with zeros up to a multiple of 8, where the body begins */
  paddedBytes = 0;
  private readonly arena: Arena;
  private readonly block: number;
  private readonly isInArena: boolean;

  constructor(arena: Arena) {
    this.arena = arena;
    const block = arena.take(BLOCK_SHIFT);
    this.isInArena = block >= 0;
    this.bytes = this.isInArena ? arena.bytes : new Uint8Array(1 << BLOCK_SHIFT);
    this.block = Math.max(block, 0);
    this.setName(NOT_ACTIVE_YET);
  }

  // hot
  offset(littleEndian: boolean): number {
    return littleEndian ? this.block : this.block + VARIANT_BYTES;
  }

  setNumber(number: number): void {
    this.setName(uniqueName(number));
  }

  private setName(name: string): void {
    this.write(this.block, name, true);
    this.write(this.block + VARIANT_BYTES, name, false);
    this.fieldBytes = 8 + name.length + 1;
    this.paddedBytes = (this.fieldBytes + 7) & ~7;
  }

  close(): void {
    if (this.isInArena) this.arena.give(this.block, BLOCK_SHIFT);
  }

  private write(at: number, name: string, littleEndian: boolean): void {
    const { bytes } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    bytes.fill(0, at, at + VARIANT_BYTES);
    bytes[at] = FieldCode.Sender;
    bytes[at + 1] = 1;
    bytes[at + 2] = TypeCode.String;
    view.setUint32(at + 4, name.length, littleEndian);
    for (let i = 0; i < name.length; i++) bytes[at + 8 + i] = name.charCodeAt(i);
  }
}

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

/** The field of all connections that have not said Hello. */
const NOT_YET = new DataView(new ArrayBuffer(2 * VARIANT_BYTES));
writeBoth(NOT_YET, 0, NOT_ACTIVE_YET);

/**
 * The SENDER header field of one connection, marshalled once in each byte order: the bus adds it to every message
 * (D-Bus specification, "Header Fields") by copying these bytes.
 */
export class SenderField {
  bytes: Uint8Array = new Uint8Array(NOT_YET.buffer);
  fieldBytes = fieldBytesOf(NOT_ACTIVE_YET);
  private readonly arena: Arena;
  private start = 0;
  /** a block of the arena; -1: none */
  private block = -1;

  constructor(arena: Arena) {
    this.arena = arena;
  }

  /** The field with zeros up to a multiple of 8, where the body begins. */
  // hot
  get paddedBytes(): number {
    return (this.fieldBytes + 7) & ~7;
  }

  // hot
  offset(littleEndian: boolean): number {
    return littleEndian ? this.start : this.start + VARIANT_BYTES;
  }

  setNumber(number: number): void {
    const name = uniqueName(number);
    this.close();
    this.block = this.arena.take(BLOCK_SHIFT);
    const isInArena = this.block >= 0;
    const view = isInArena ? this.arena.view : new DataView(new ArrayBuffer(1 << BLOCK_SHIFT));
    this.bytes = isInArena ? this.arena.bytes : new Uint8Array(view.buffer);
    this.start = Math.max(this.block, 0);
    this.fieldBytes = fieldBytesOf(name);
    writeBoth(view, this.start, name);
  }

  close(): void {
    if (this.block >= 0) this.arena.give(this.block, BLOCK_SHIFT);
    this.block = -1;
  }
}

function fieldBytesOf(name: string): number {
  return 8 + name.length + 1;
}

function writeBoth(view: DataView, at: number, name: string): void {
  write(view, at, name, true);
  write(view, at + VARIANT_BYTES, name, false);
}

function write(view: DataView, at: number, name: string, littleEndian: boolean): void {
  for (let i = 0; i < VARIANT_BYTES; i += 4) view.setUint32(at + i, 0);
  view.setUint8(at, FieldCode.Sender);
  view.setUint8(at + 1, 1);
  view.setUint8(at + 2, TypeCode.String);
  view.setUint32(at + 4, name.length, littleEndian);
  for (let i = 0; i < name.length; i++) view.setUint8(at + 8 + i, name.charCodeAt(i));
}

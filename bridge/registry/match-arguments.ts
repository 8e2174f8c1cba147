/** Finds the leading arguments of a message body, only as far as rules ask for them. Allocates nothing. */

import type { MessageHeader } from '#bridge/wire/header.js';
import { ARG_INDEX_MAX, CONTAINER_DEPTH_MAX } from '#bridge/wire/limits.js';
import { TypeCode } from '#bridge/wire/types.js';

const FIXED_SIZES = new Uint8Array(128);
for (const code of 'y') FIXED_SIZES[code.charCodeAt(0)] = 1;
for (const code of 'nq') FIXED_SIZES[code.charCodeAt(0)] = 2;
for (const code of 'biuh') FIXED_SIZES[code.charCodeAt(0)] = 4;
for (const code of 'xtd') FIXED_SIZES[code.charCodeAt(0)] = 8;

export class MessageArguments {
  /** Where the text of an argument is, once {@link isString} or {@link isStringOrPath} has returned true. */
  readonly offsets = new Int32Array(ARG_INDEX_MAX + 1);
  readonly lengths = new Int32Array(ARG_INDEX_MAX + 1);
  readonly #types = new Uint8Array(ARG_INDEX_MAX + 1);

  #header: MessageHeader | undefined;
  #walked = 0;
  #ended = true;
  #signatureAt = 0;
  #signatureEnd = 0;
  #at = 0;
  #end = 0;

  begin(header: MessageHeader): void {
    this.#header = header;
    this.#walked = 0;
    this.#signatureAt = header.signatureOffset;
    this.#signatureEnd = header.signatureOffset + header.signatureLength;
    this.#at = header.bodyStart;
    this.#end = header.bodyStart + header.bodyLength;
    this.#ended = header.signatureLength === 0;
  }

  /** True if argument `index` is a string: argN and arg0namespace match strings only. */
  isString(index: number): boolean {
    return this.#has(index) && this.#types[index] === TypeCode.String;
  }

  /** True if argument `index` is a string or an object path: argNpath matches both. */
  isStringOrPath(index: number): boolean {
    if (!this.#has(index)) return false;
    return this.#types[index] === TypeCode.String || this.#types[index] === TypeCode.ObjectPath;
  }

  #has(index: number): boolean {
    while (this.#walked <= index && !this.#ended) this.#walk();
    return index < this.#walked;
  }

  #walk(): void {
    const header = this.#header;
    if (header === undefined || this.#signatureAt >= this.#signatureEnd) {
      this.#ended = true;
      return;
    }
    const index = this.#walked;
    const code = header.bytes[this.#signatureAt];
    this.#types[index] = code;
    if (code === TypeCode.String || code === TypeCode.ObjectPath) {
      const length = this.#readLength(header);
      this.offsets[index] = this.#at;
      this.lengths[index] = length;
      this.#advance(length + 1);
      this.#signatureAt++;
    } else {
      this.#signatureAt = this.#skip(header, this.#signatureAt, 0);
    }
    if (!this.#ended) this.#walked++;
  }

  /** Skips the value of the type at `type`; returns where the next type begins. */
  #skip(header: MessageHeader, type: number, depth: number): number {
    const code = header.bytes[type];
    const fixed = FIXED_SIZES[code & 127];
    if (fixed !== 0) {
      this.#align(fixed);
      this.#advance(fixed);
      return type + 1;
    }
    if (this.#ended || depth > CONTAINER_DEPTH_MAX) return this.#giveUp(type);
    switch (code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
        this.#advance(this.#readLength(header) + 1);
        return type + 1;
      case TypeCode.Signature:
        this.#advance(this.#readByte(header) + 1);
        return type + 1;
      case TypeCode.Variant: {
        const length = this.#readByte(header);
        const inner = this.#at;
        this.#advance(length + 1);
        if (!this.#ended) this.#skip(header, inner, depth + 1);
        return type + 1;
      }
      case TypeCode.Array: {
        const length = this.#readLength(header);
        this.#align(alignmentOf(header.bytes[type + 1]));
        this.#advance(length);
        return typeEnd(header.bytes, type + 1, header.end);
      }
      case TypeCode.StructBegin:
        return this.#skipStruct(header, type, depth);
      default:
        return this.#giveUp(type);
    }
  }

  #skipStruct(header: MessageHeader, type: number, depth: number): number {
    this.#align(8);
    let member = type + 1;
    while (!this.#ended && header.bytes[member] !== TypeCode.StructEnd) {
      member = this.#skip(header, member, depth + 1);
    }
    return member + 1;
  }

  #giveUp(type: number): number {
    this.#ended = true;
    return type + 1;
  }

  #align(alignment: number): void {
    const start = this.#header?.bodyStart ?? 0;
    this.#at = start + ((this.#at - start + alignment - 1) & -alignment);
  }

  #advance(length: number): void {
    this.#at += length;
    if (this.#at > this.#end) this.#ended = true;
  }

  #readByte(header: MessageHeader): number {
    this.#advance(1);
    return this.#ended ? 0 : header.bytes[this.#at - 1];
  }

  #readLength(header: MessageHeader): number {
    this.#align(4);
    this.#advance(4);
    return this.#ended ? 0 : header.view.getUint32(this.#at - 4, header.littleEndian);
  }
}

function alignmentOf(code: number): number {
  const fixed = FIXED_SIZES[code & 127];
  if (fixed !== 0) return fixed;
  if (code === TypeCode.StructBegin || code === TypeCode.DictEntryBegin) return 8;
  return code === TypeCode.Signature || code === TypeCode.Variant ? 1 : 4;
}

/** Where the complete type that begins at `at` ends. */
function typeEnd(bytes: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && bytes[next] === TypeCode.Array) next++;
  let open = 0;
  do {
    const code = bytes[next++];
    if (code === TypeCode.StructBegin || code === TypeCode.DictEntryBegin) open++;
    else if (code === TypeCode.StructEnd || code === TypeCode.DictEntryEnd) open--;
  } while (open > 0 && next < end);
  return next;
}

import { ARRAY_MAX_BYTES } from '#bridge/wire/limits.js';
import { isObjectPathBytes } from '#bridge/wire/names.js';
import type { ParsedSignature } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { decodeBody } from '#bridge/wire/unmarshal.js';
import { isUtf8 } from '#bridge/wire/utf8.js';
import { mayRefer, replaceReferences } from './body-values.js';
import { BYTE_ARRAY, flatCodes } from './flat-signature.js';
import { handleIndex } from './object-protocol.js';

/** Handles and descriptors that came with a message, for the values of its body that refer to them. */
export interface MessageReferences {
  /** undefined when the message has no such handle */
  capability(index: number): unknown;
  /** @throws Error when the message has no such descriptor */
  descriptor(index: number): number;
}

const NO_BYTES = new Uint8Array(0);
const NO_BUFFER = Buffer.from(NO_BYTES.buffer);
const NO_VIEW = new DataView(NO_BYTES.buffer);
/** Shorter arrays are cheap to copy into memory of their own. */
const VIEW_MIN_BYTES = 16_384;

/**
 * Reads bodies from memory that the next message overwrites: no value of a result refers to it, unless it is owned.
 * Simple bodies are read here; `decodeBody` reads all others, and reports what is wrong with one.
 */
export class BodyReader {
  private bytes: Uint8Array = NO_BYTES;
  private view: DataView = NO_VIEW;
  private buffer: Buffer = NO_BUFFER;
  private base = 0;
  private end = 0;
  private at = 0;
  /** from which length on a byte array is a view of the message's memory */
  private viewMinBytes = Infinity;

  /**
   * The values of a little-endian body, or of one in the other order. `references` is null when the message carried
   * nothing. `isOwned`: the memory is the message's alone, and a byte array that is most of it may be a view of it.
   *
   * @throws WireError, and whatever `references` throws
   */
  read(
    signature: ParsedSignature,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    littleEndian: boolean,
    references: MessageReferences | null,
    isOwned = false,
  ): unknown[] {
    if (start === end && signature.types.length === 0) return [];
    this.open(bytes, view, start, end);
    this.viewMinBytes = isOwned ? Math.max(VIEW_MIN_BYTES, end / 2) : Infinity;
    const { text } = signature;
    const codes = littleEndian && references === null ? flatCodes(text) : null;
    const values = codes === null ? undefined : this.readFlat(codes);
    if (values !== undefined) return values;
    const decoded = decodeBody(text, bytes.subarray(start, end), littleEndian);
    return mayRefer(text) ? resolve(signature, decoded, references) : decoded;
  }

  /** Drops the reference to the memory of the last message. */
  forgetBytes(): void {
    this.bytes = NO_BYTES;
    this.buffer = NO_BUFFER;
    this.view = NO_VIEW;
  }

  // hot
  private open(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    if (this.bytes !== bytes) {
      this.bytes = bytes;
      this.view = view;
      this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.base = start;
    this.end = end;
    this.at = start;
  }

  /** Undefined for bodies that `decodeBody` has to read or to report. */
  // hot
  private readFlat(codes: Uint8Array): unknown[] | undefined {
    if (codes.length === 1) {
      const value = this.readValue(codes[0]);
      return value === undefined || this.at !== this.end ? undefined : [value];
    }
    const values: unknown[] = [];
    for (let i = 0; i < codes.length; i++) {
      const value = this.readValue(codes[i]);
      if (value === undefined) return undefined;
      values.push(value);
    }
    return this.at === this.end ? values : undefined;
  }

  // hot
  private readValue(code: number): unknown {
    switch (code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
        return this.readText(code);
      case BYTE_ARRAY:
        return this.readBytes();
      case TypeCode.Byte:
        return this.at < this.end ? this.bytes[this.at++] : undefined;
      case TypeCode.UInt32:
        return this.take(4) ? this.view.getUint32(this.at - 4, true) : undefined;
      case TypeCode.Int32:
        return this.take(4) ? this.view.getInt32(this.at - 4, true) : undefined;
      case TypeCode.Double:
        return this.take(8) ? this.view.getFloat64(this.at - 8, true) : undefined;
      case TypeCode.Boolean: {
        const word = this.take(4) ? this.view.getUint32(this.at - 4, true) : 2;
        return word > 1 ? undefined : word === 1;
      }
      default:
        return this.readOther(code);
    }
  }

  private readOther(code: number): unknown {
    const { view } = this;
    switch (code) {
      case TypeCode.Int16:
        return this.take(2) ? view.getInt16(this.at - 2, true) : undefined;
      case TypeCode.UInt16:
        return this.take(2) ? view.getUint16(this.at - 2, true) : undefined;
      case TypeCode.Int64:
        return this.take(8) ? view.getBigInt64(this.at - 8, true) : undefined;
      case TypeCode.UInt64:
        return this.take(8) ? view.getBigUint64(this.at - 8, true) : undefined;
      default:
        return undefined; // 'h' without descriptors
    }
  }

  private readText(code: number): string | undefined {
    if (!this.take(4)) return undefined;
    const { bytes, at } = this;
    const length = this.view.getUint32(at - 4, true);
    const end = at + length;
    if (length >= this.end - at || bytes[end] !== 0) return undefined;
    const isValid =
      code === TypeCode.String
        ? isUtf8(bytes, this.view, at, length)
        : isObjectPathBytes(bytes, at, length);
    if (!isValid) return undefined;
    this.at = end + 1;
    return this.buffer.toString('utf8', at, end);
  }

  // hot
  private readBytes(): Uint8Array | undefined {
    if (!this.take(4)) return undefined;
    const { at } = this;
    const length = this.view.getUint32(at - 4, true);
    if (length > this.end - at || length > ARRAY_MAX_BYTES) return undefined;
    this.at = at + length;
    if (length >= this.viewMinBytes) return viewOf(this.bytes, at, length);
    return copyOf(this.bytes, at, length);
  }

  /** Goes past a value of `size` bytes, and the padding in front of it. */
  // hot
  private take(size: number): boolean {
    const { bytes, base, end } = this;
    let { at } = this;
    while (((at - base) & (size - 1)) !== 0) if (at >= end || bytes[at++] !== 0) return false;
    this.at = at + size;
    return this.at <= end;
  }
}

/** Shorter arrays are copied byte by byte: that takes less time than a call of the built-in copy. */
const BYTEWISE_MAX_BYTES = 64;
/** Longer arrays are in memory that was not filled with zeros first. */
const ZEROED_MAX_BYTES = 4096;

function copyOf(bytes: Uint8Array, at: number, length: number): Uint8Array {
  if (length <= BYTEWISE_MAX_BYTES) {
    const few = new Uint8Array(length);
    for (let i = 0; i < length; i++) few[i] = bytes[at + i];
    return few;
  }
  if (length <= ZEROED_MAX_BYTES) return bytes.slice(at, at + length);
  const copy = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  copy.set(bytes.subarray(at, at + length));
  return copy;
}

function resolve(
  { types }: ParsedSignature,
  values: readonly unknown[],
  references: MessageReferences | null,
): unknown[] {
  return replaceReferences(types, values, (code, value) => {
    if (code === TypeCode.UnixFd) {
      if (references === null)
        throw new Error('the message refers to a file descriptor that did not arrive with it');
      return references.descriptor(Number(value));
    }
    const index = handleIndex(String(value));
    return (index < 0 ? undefined : references?.capability(index)) ?? value;
  });
}

/** A view of memory that the receiver may keep. */
function viewOf(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length);
}

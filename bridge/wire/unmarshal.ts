import { WireError, WireFault } from './faults.js';
import type { CompleteType } from './signature.js';
import { signatureTypes, singleType } from './signature.js';
import { TypeCode, Variant } from './types.js';
import { validator } from './value.js';

/** Reads values without checks: a validator must have passed them. */
class Unmarshaller {
  private readonly buffer: Buffer;
  private readonly view: DataView;
  private readonly littleEndian: boolean;
  private position = 0;

  /** Alignment counts from the first of `bytes`. */
  constructor(bytes: Uint8Array, littleEndian: boolean) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.littleEndian = littleEndian;
  }

  values(types: readonly CompleteType[]): unknown[] {
    return types.map((type) => this.value(type));
  }

  private value(type: CompleteType): unknown {
    switch (type.code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
        return this.text(this.uint32());
      case TypeCode.Signature:
        return this.text(this.uint8());
      case TypeCode.Variant:
        return this.variant();
      case TypeCode.Array:
        return this.array(type.element);
      case TypeCode.StructBegin:
        this.align(8);
        return this.values(type.children);
      default:
        return this.fixed(type);
    }
  }

  private fixed(type: CompleteType): number | bigint | boolean {
    const { view, littleEndian } = this;
    this.align(type.fixedSize);
    const p = this.position;
    this.position += type.fixedSize;
    switch (type.code) {
      case TypeCode.Byte:
        return view.getUint8(p);
      case TypeCode.Boolean:
        return view.getUint32(p, littleEndian) === 1;
      case TypeCode.Int16:
        return view.getInt16(p, littleEndian);
      case TypeCode.UInt16:
        return view.getUint16(p, littleEndian);
      case TypeCode.Int32:
        return view.getInt32(p, littleEndian);
      case TypeCode.Int64:
        return view.getBigInt64(p, littleEndian);
      case TypeCode.UInt64:
        return view.getBigUint64(p, littleEndian);
      case TypeCode.Double:
        return view.getFloat64(p, littleEndian);
      default:
        return view.getUint32(p, littleEndian);
    }
  }

  private variant(): Variant {
    const signature = this.text(this.uint8());
    return new Variant(signature, this.value(singleType(signature)));
  }

  private array(element: CompleteType): unknown {
    const length = this.uint32();
    this.align(element.alignment);
    const end = this.position + length;
    if (element.code === TypeCode.Byte) {
      const bytes = new Uint8Array(this.buffer.subarray(this.position, end));
      this.position = end;
      return bytes;
    }
    if (element.code === TypeCode.DictEntryBegin) return this.dictEntries(element, end);
    const elements: unknown[] = [];
    while (this.position < end) elements.push(this.value(element));
    return elements;
  }

  /** The last of several entries with equal keys remains; the specification leaves this undefined. */
  private dictEntries(entry: CompleteType, end: number): Map<unknown, unknown> {
    const entries = new Map<unknown, unknown>();
    while (this.position < end) {
      this.align(8);
      const key = this.value(entry.key);
      entries.set(key, this.value(entry.value));
    }
    return entries;
  }

  private text(length: number): string {
    const start = this.position;
    this.position = start + length + 1;
    return this.buffer.toString('utf8', start, start + length);
  }

  private uint8(): number {
    return this.view.getUint8(this.position++);
  }

  private uint32(): number {
    this.align(4);
    const value = this.view.getUint32(this.position, this.littleEndian);
    this.position += 4;
    return value;
  }

  private align(boundary: number): void {
    this.position = (this.position + boundary - 1) & -boundary;
  }
}

/**
 * The arguments of a message, in the types that `encodeBody` takes. Nothing in the result refers to
 * `bytes`. Throws a {@link WireError} when the bytes are not exactly one body of this signature.
 */
export function decodeBody(signature: string, bytes: Uint8Array, littleEndian = true): unknown[] {
  const types = signatureTypes(signature);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  validator.open(bytes, view, 0, bytes.length, littleEndian);
  const position = validator.values(types, 0, 0);
  if (position < 0) throw new WireError(-position, 'body');
  if (position < bytes.length) throw new WireError(WireFault.TrailingBytes, 'body');
  return new Unmarshaller(bytes, littleEndian).values(types);
}

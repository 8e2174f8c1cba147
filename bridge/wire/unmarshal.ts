import { MapConvention, type ReadConvention } from './convention.js';
import { WireError, WireFault } from './faults.js';
import { CONTAINER_DEPTH_MAX } from './limits.js';
import type { CompleteType } from './signature.js';
import { signatureTypes } from './signature.js';
import { TypeCode } from './types.js';
import { ValueValidator } from './value.js';

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** Reads D-Bus values as JavaScript values, one body at a time. Each part of a body is validated, and then read. */
export class Unmarshaller<Dict> {
  private readonly convention: ReadConvention<Dict>;
  private readonly validator = new ValueValidator();
  private bytes: Uint8Array = NO_BYTES;
  private view: DataView = NO_VIEW;
  /** the same memory, once a text needs it */
  private buffer: Buffer | null = null;
  private littleEndian = true;
  private at = 0;

  constructor(convention: ReadConvention<Dict>) {
    this.convention = convention;
  }

  /**
   * The values from `start`, which alignment counts from, to `end`. `checksFirst`: the convention takes what has to be
   * given back, and may do so only if the whole body is valid.
   *
   * @throws WireError when the bytes are not exactly one body of these types, and whatever the convention throws
   */
  // hot
  read(
    types: readonly CompleteType[],
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    littleEndian: boolean,
    checksFirst: boolean,
  ): unknown[] {
    const { validator } = this;
    validator.open(bytes, view, start, end, littleEndian);
    if (checksFirst) this.whole(validator.values(types, start, 0), end);
    if (this.bytes !== bytes) {
      this.bytes = bytes;
      this.view = view;
      this.buffer = null;
    }
    this.littleEndian = littleEndian;
    this.at = start;
    const values = this.values(types, 0);
    this.whole(this.at, end);
    return values;
  }

  /** Drops the reference to the memory of the last body. */
  forgetBytes(): void {
    this.bytes = NO_BYTES;
    this.view = NO_VIEW;
    this.buffer = null;
    this.validator.open(NO_BYTES, NO_VIEW, 0, 0, true);
  }

  // hot
  private values(types: readonly CompleteType[], depth: number): unknown[] {
    if (types.length === 1) return [this.value(types[0], depth)];
    const values: unknown[] = [];
    for (let i = 0; i < types.length; i++) values.push(this.value(types[i], depth));
    return values;
  }

  // hot
  private value(type: CompleteType, depth: number): unknown {
    if (depth > CONTAINER_DEPTH_MAX) fail(WireFault.Nesting);
    switch (type.code) {
      case TypeCode.String:
        return this.text(type.code);
      case TypeCode.UInt32: {
        const end = passed(this.validator.fixed(type, this.at));
        this.at = end;
        return this.view.getUint32(end - 4, this.littleEndian);
      }
      case TypeCode.Array:
        return this.array(type.children[0], depth);
      case TypeCode.Variant: {
        this.at = passed(this.validator.variantStart(this.at));
        const inner = this.validator.variantType;
        return this.convention.variant(inner.text, this.value(inner, depth + 1));
      }
      case TypeCode.StructBegin:
        this.at = passed(this.validator.pad(this.at, 8));
        return this.values(type.children, depth + 1);
      case TypeCode.ObjectPath:
        return this.convention.objectPath(this.text(type.code));
      case TypeCode.Signature: {
        const start = this.at + 1;
        this.at = passed(this.validator.signature(this.at));
        return this.textBetween(start, this.at - 1);
      }
      default:
        return this.fixed(type);
    }
  }

  // hot
  private fixed(type: CompleteType): unknown {
    const end = passed(this.validator.fixed(type, this.at));
    this.at = end;
    return this.valid(type.code, end - type.fixedSize);
  }

  /** A value of fixed size, which is valid. */
  // hot
  private valid(code: number, at: number): unknown {
    const { view, littleEndian } = this;
    switch (code) {
      case TypeCode.Byte:
        return this.bytes[at];
      case TypeCode.Boolean:
        return view.getUint32(at, littleEndian) === 1;
      case TypeCode.UInt32:
        return view.getUint32(at, littleEndian);
      case TypeCode.Int32:
        return view.getInt32(at, littleEndian);
      case TypeCode.Double:
        return view.getFloat64(at, littleEndian);
      case TypeCode.Int16:
        return view.getInt16(at, littleEndian);
      case TypeCode.UInt16:
        return view.getUint16(at, littleEndian);
      case TypeCode.UnixFd:
        return this.convention.descriptor(view.getUint32(at, littleEndian));
      default:
        return this.longInteger(code, at);
    }
  }

  private longInteger(code: number, at: number): unknown {
    const { view, littleEndian } = this;
    const isSigned = code === TypeCode.Int64;
    const value = isSigned
      ? view.getBigInt64(at, littleEndian)
      : view.getBigUint64(at, littleEndian);
    return this.convention.longInteger(value);
  }

  // hot
  private array(element: CompleteType, depth: number): unknown {
    const { validator } = this;
    this.at = passed(validator.arrayStart(element, this.at));
    const end = validator.arrayEnd;
    if (element.code === TypeCode.Byte) {
      const start = this.at;
      this.at = end;
      return this.convention.bytes(this.bytes, start, end);
    }
    if (element.code === TypeCode.DictEntryBegin) return this.dict(element, end, depth);
    if (element.fixedSize > 0) return this.fixedElements(element, end);
    const elements: unknown[] = [];
    while (this.at < end) elements.push(this.value(element, depth + 1));
    this.ended(end);
    return elements;
  }

  // hot
  private fixedElements(element: CompleteType, end: number): unknown[] {
    const { code, fixedSize } = element;
    passed(this.validator.fixedElements(element, this.at, end));
    const elements: unknown[] = [];
    for (let at = this.at; at < end; at += fixedSize) elements.push(this.valid(code, at));
    this.at = end;
    return elements;
  }

  // hot
  private dict({ children }: CompleteType, end: number, depth: number): Dict {
    const { validator, convention } = this;
    const dict = convention.dict();
    while (this.at < end) {
      this.at = passed(validator.pad(this.at, 8));
      const key = this.value(children[0], depth + 2);
      convention.addEntry(dict, key, this.value(children[1], depth + 2));
    }
    this.ended(end);
    return dict;
  }

  /** The last element of an array has to end where the array does. */
  // hot
  private ended(end: number): void {
    if (this.at !== end) fail(WireFault.ArrayLength);
  }

  // hot
  private text(code: number): string {
    const { validator, at } = this;
    const end = passed(validator.string(code, at));
    this.at = end;
    return this.textBetween(validator.textStart, end - 1);
  }

  private textBetween(start: number, end: number): string {
    const { bytes } = this;
    this.buffer ??= Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.buffer.toString('utf8', start, end);
  }

  // hot
  private whole(position: number, end: number): void {
    if (passed(position) < end) fail(WireFault.TrailingBytes);
  }
}

/** The position, unless it is a negated fault. */
// hot
function passed(position: number): number {
  return position < 0 ? fail(-position) : position;
}

function fail(fault: number): never {
  throw new WireError(fault, 'body');
}

const plain = new Unmarshaller(new MapConvention());

/**
 * The arguments of a message, in the types that `encodeBody` takes. Nothing in the result refers to
 * `bytes`. Throws a {@link WireError} when the bytes are not exactly one body of this signature.
 */
export function decodeBody(signature: string, bytes: Uint8Array, littleEndian = true): unknown[] {
  const types = signatureTypes(signature);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = plain.read(types, bytes, view, 0, bytes.length, littleEndian, false);
  plain.forgetBytes();
  return values;
}

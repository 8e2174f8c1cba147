import { inspect } from 'node:util';
import { WireError, WireFault } from '#bridge/wire/faults.js';
import { ARRAY_MAX_BYTES, CONTAINER_DEPTH_MAX, MESSAGE_MAX_BYTES } from '#bridge/wire/limits.js';
import { parseObjectPath, parseSignature } from '#bridge/wire/names.js';
import { signatureTypes, singleType, type CompleteType } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { library } from './library.js';

const SCRATCH_BYTES = 1 << 16;
/** A larger buffer, which a long message has needed, is not kept. */
const KEPT_MAX_BYTES = 1 << 20;
/** Text up to this length is written here if it is ASCII: a call into the runtime costs more. */
const SHORT_TEXT_LENGTH = 64;

/** Least and greatest value of the types that are JavaScript numbers without a fraction. */
const INTEGER_RANGES: ReadonlyMap<number, readonly [number, number]> = new Map([
  [TypeCode.Byte, [0, 0xff]],
  [TypeCode.Int16, [-0x8000, 0x7fff]],
  [TypeCode.UInt16, [0, 0xffff]],
  [TypeCode.Int32, [-0x80000000, 0x7fffffff]],
  [TypeCode.UInt32, [0, 0xffffffff]],
  [TypeCode.UnixFd, [0, 0x7fffffff]],
]);

/** Writes JavaScript values by dbus-next's conventions as a D-Bus body, into memory that is used again. */
export class ValueWriter {
  /** the body is the first `length` of these */
  bytes = new Uint8Array(SCRATCH_BYTES);
  length = 0;
  /** the values of type `h`, in order */
  readonly descriptors: number[] = [];
  private buffer = Buffer.from(this.bytes.buffer);
  private view = new DataView(this.bytes.buffer);
  private depth = 0;

  /** @throws Error for values that do not fit the signature, WireError for a signature that is not valid */
  write(signature: string, values: readonly unknown[]): void {
    if (this.bytes.length > KEPT_MAX_BYTES) this.use(new Uint8Array(SCRATCH_BYTES));
    if (this.descriptors.length > 0) this.descriptors.length = 0;
    this.length = 0;
    this.depth = 0;
    const types = signatureTypes(signature);
    if (types.length !== values.length) {
      throw new Error(
        `${values.length} arguments for signature '${signature}', which has ${types.length} types`,
      );
    }
    let i = 0;
    for (const type of types) this.value(type, values[i++]);
  }

  private value(type: CompleteType, value: unknown): void {
    switch (type.code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
        return this.text(type, value);
      case TypeCode.Variant:
      case TypeCode.Array:
      case TypeCode.StructBegin:
        return this.container(type, value);
      case TypeCode.Boolean:
        if (value !== true && value !== false && value !== 0 && value !== 1) {
          refuse(type, value, 'a boolean');
        }
        return this.word(value ? 1 : 0);
      case TypeCode.Double:
        return this.double(type, value);
      case TypeCode.Int64:
      case TypeCode.UInt64:
        return this.longInteger(type, value);
      case TypeCode.Signature:
        return this.signature(type, value);
      default:
        return this.integer(type, value);
    }
  }

  private container(type: CompleteType, value: unknown): void {
    if (++this.depth > CONTAINER_DEPTH_MAX) throw new WireError(WireFault.Nesting);
    if (type.code === TypeCode.Variant) this.variant(type, value);
    else if (type.code === TypeCode.Array) this.array(type, value);
    else this.struct(type, value);
    this.depth--;
  }

  private variant(type: CompleteType, value: unknown): void {
    if (!(value instanceof library.Variant)) refuse(type, value, 'a Variant');
    const { signature } = value;
    const inner = singleType(signature);
    this.shortText(signature);
    this.value(inner, value.value);
  }

  private struct(type: CompleteType, value: unknown): void {
    const { children } = type;
    if (!Array.isArray(value) || value.length !== children.length) {
      refuse(type, value, `an array of ${children.length} elements`);
    }
    this.align(8);
    let i = 0;
    for (const child of children) this.value(child, value[i++]);
  }

  private array(type: CompleteType, value: unknown): void {
    const { element } = type;
    this.word(0);
    const lengthAt = this.length - 4;
    this.align(element.alignment);
    const start = this.length;
    if (element.code === TypeCode.DictEntryBegin) this.entries(type, value);
    else if (element.code === TypeCode.Byte && value instanceof Uint8Array) this.copy(value);
    else this.elements(type, value);
    const lengthBytes = this.length - start;
    if (lengthBytes > ARRAY_MAX_BYTES) throw new WireError(WireFault.ArrayTooLong, type.text);
    this.view.setUint32(lengthAt, lengthBytes, true);
  }

  private elements(type: CompleteType, value: unknown): void {
    if (!Array.isArray(value)) refuse(type, value, 'an array');
    const { element } = type;
    for (let i = 0; i < value.length; i++) this.value(element, value[i]);
  }

  /** Keys of objects are strings, whatever the type of the dict's keys. */
  private entries(type: CompleteType, value: unknown): void {
    if (typeof value !== 'object' || value === null || value.constructor !== Object) {
      refuse(type, value, 'a plain object');
    }
    const { element } = type;
    for (const [key, entry] of Object.entries(value)) {
      this.align(8);
      this.value(element.key, keyOf(element.key, key));
      this.value(element.value, entry);
    }
  }

  private integer(type: CompleteType, value: unknown): void {
    const [least, greatest] = INTEGER_RANGES.get(type.code)!;
    if (!Number.isInteger(value) || Number(value) < least || Number(value) > greatest) {
      refuse(type, value, `an integer from ${least} to ${greatest}`);
    }
    const number = Number(value);
    if (type.fixedSize === 4) {
      this.word(type.code === TypeCode.UnixFd ? this.descriptors.push(number) - 1 : number);
      return;
    }
    this.align(type.fixedSize);
    if (type.fixedSize === 1) this.view.setUint8(this.length, number);
    else this.view.setUint16(this.length, number, true);
    this.length += type.fixedSize;
  }

  /** Accepts bigints, and values that convert to decimal digits: numbers, strings, objects of libraries. */
  private longInteger(type: CompleteType, value: unknown): void {
    const wanted = 'a 64-bit integer, as a bigint or anything that converts to one';
    const isNumeric = typeof value === 'bigint' || /^-?\d+$/.test(String(value));
    if (!isNumeric) refuse(type, value, wanted);
    const long = BigInt(String(value));
    const isSigned = type.code === TypeCode.Int64;
    if ((isSigned ? BigInt.asIntN(64, long) : BigInt.asUintN(64, long)) !== long) {
      refuse(type, value, wanted);
    }
    this.align(8);
    this.view.setBigUint64(this.length, BigInt.asUintN(64, long), true);
    this.length += 8;
  }

  /** dbus-next accepts finite numbers only. */
  private double(type: CompleteType, value: unknown): void {
    if (!Number.isFinite(value)) refuse(type, value, 'a finite number');
    this.align(8);
    this.view.setFloat64(this.length, Number(value), true);
    this.length += 8;
  }

  private text(type: CompleteType, value: unknown): void {
    const text = Buffer.isBuffer(value) ? value.toString() : value;
    if (typeof text !== 'string') refuse(type, value, 'a string');
    if (type.code === TypeCode.ObjectPath) {
      if (parseObjectPath(text) === undefined) refuse(type, value, 'a valid object path');
    } else if (text.includes('\0')) {
      refuse(type, value, 'a string without NUL');
    }
    this.word(0);
    const start = this.length;
    this.characters(text);
    this.view.setUint32(start - 4, this.length - start, true);
    this.bytes[this.length++] = 0;
  }

  private signature(type: CompleteType, value: unknown): void {
    const text = Buffer.isBuffer(value) ? value.toString() : value;
    if (typeof text !== 'string' || parseSignature(text) === undefined) {
      refuse(type, value, 'a valid signature');
    }
    this.shortText(text);
  }

  private shortText(signature: string): void {
    this.reserve(2);
    this.bytes[this.length++] = signature.length;
    this.characters(signature);
    this.bytes[this.length++] = 0;
  }

  /** Leaves room for a NUL. */
  private characters(text: string): void {
    const { length } = text;
    this.reserve(length * 3 + 1);
    const { bytes } = this;
    let i = 0;
    if (length <= SHORT_TEXT_LENGTH) {
      for (; i < length; i++) {
        const character = text.charCodeAt(i);
        if (character >= 0x80) break;
        bytes[this.length + i] = character;
      }
    }
    this.length += i === length ? length : this.buffer.write(text, this.length, 'utf8');
  }

  private copy(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
  }

  private word(value: number): void {
    this.align(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  /** Leaves room for a value of `boundary` bytes. */
  private align(boundary: number): void {
    this.reserve(16);
    while ((this.length & (boundary - 1)) !== 0) this.bytes[this.length++] = 0;
  }

  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    if (needed > MESSAGE_MAX_BYTES * 3) throw new WireError(WireFault.MessageTooLong);
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.use(grown);
  }

  private use(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.buffer = Buffer.from(bytes.buffer);
    this.view = new DataView(bytes.buffer);
  }
}

function keyOf({ code }: CompleteType, key: string): unknown {
  if (code === TypeCode.Boolean) return key === 'true' ? true : key === 'false' ? false : key;
  const isNumber = INTEGER_RANGES.has(code) || code === TypeCode.Double;
  return isNumber && key !== '' ? Number(key) : key;
}

function refuse({ text }: CompleteType, value: unknown, wanted: string): never {
  const got = inspect(value, { depth: 0, maxArrayLength: 8, maxStringLength: 40 });
  throw new Error(`type '${text}' takes ${wanted}, not ${got}`);
}

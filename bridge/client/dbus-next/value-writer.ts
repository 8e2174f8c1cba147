import { toUSVString } from 'node:util';
import { WriteConvention, type EntryWriter } from '#bridge/wire/convention.js';
import { Marshaller } from '#bridge/wire/marshal.js';
import type { CompleteType } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { ByteWriter } from '#bridge/wire/writer.js';
import { library, type BusVariant } from './library.js';

const SCRATCH_BYTES = 1 << 16;
const DESCRIPTOR_MAX = 0x7fffffff;

/** What dbus-next takes. */
class DbusNextWriteConvention extends WriteConvention {
  override readonly takesByteLists = true;
  readonly descriptors: number[] = [];

  override text(_type: CompleteType, value: unknown): string | undefined {
    return Buffer.isBuffer(value) ? value.toString() : undefined;
  }

  /** With U+FFFD for each lone surrogate, as Node writes it. */
  override repaired(text: string): string {
    return toUSVString(text);
  }

  override boolean(value: unknown): boolean | undefined {
    return value === 0 || value === 1 ? value === 1 : super.boolean(value);
  }

  override double(value: unknown): number | undefined {
    return Number.isFinite(value) ? super.double(value) : undefined;
  }

  /** Bigints, and values that convert to decimal digits: numbers, strings, objects of libraries. */
  override longInteger(value: unknown): bigint | undefined {
    if (typeof value === 'bigint') return value;
    const digits = String(value);
    return /^-?\d+$/.test(digits) ? BigInt(digits) : undefined;
  }

  override variant(value: unknown): BusVariant | undefined {
    return value instanceof library.Variant ? value : undefined;
  }

  override descriptor(value: unknown): number | undefined {
    const index = super.descriptor(value);
    if (index === undefined || index > DESCRIPTOR_MAX) return undefined;
    return this.descriptors.push(index) - 1;
  }

  /** Keys of objects are strings, whatever the type of the dict's keys. */
  override entries(
    writer: EntryWriter,
    dict: CompleteType,
    value: unknown,
    depth: number,
  ): boolean {
    if (!isPlainObject(value)) return false;
    const { code } = dict.element.key;
    for (const key of Object.keys(value)) writer.entry(dict, keyOf(code, key), value[key], depth);
    return true;
  }

  override wanted(type: CompleteType): string {
    switch (type.code) {
      case TypeCode.Double:
        return 'a finite number';
      case TypeCode.Int64:
      case TypeCode.UInt64:
        return 'a 64-bit integer, as a bigint or anything that converts to one';
      case TypeCode.UnixFd:
        return `an integer from 0 to ${DESCRIPTOR_MAX}`;
      case TypeCode.Array:
        if (type.element.code === TypeCode.DictEntryBegin) return 'a plain object';
        return type.element.code === TypeCode.Byte ? 'a Buffer or an array' : 'an array';
      default:
        return super.wanted(type);
    }
  }
}

/** Writes JavaScript values by dbus-next's conventions as a D-Bus body, into memory that is used again. */
export class ValueWriter {
  private readonly convention = new DbusNextWriteConvention();
  private readonly writer = new ByteWriter(true, SCRATCH_BYTES);
  private readonly marshaller = new Marshaller(this.writer, this.convention);
  /** the values of type `h`, in order */
  readonly descriptors = this.convention.descriptors;

  /** the body is the first `length` of these */
  get bytes(): Uint8Array {
    return this.writer.bytes;
  }

  get length(): number {
    return this.writer.position;
  }

  /** @throws WireError for values that do not fit the signature, or for a signature that is not valid */
  write(signature: string, values: readonly unknown[]): void {
    if (this.descriptors.length > 0) this.descriptors.length = 0;
    this.writer.restart();
    this.marshaller.arguments(signature, values);
  }
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && value.constructor === Object;
}

const NUMERIC_KEYS: ReadonlySet<number> = new Set([
  TypeCode.Byte,
  TypeCode.Int16,
  TypeCode.UInt16,
  TypeCode.Int32,
  TypeCode.UInt32,
  TypeCode.UnixFd,
  TypeCode.Double,
]);

function keyOf(code: number, key: string): unknown {
  if (code === TypeCode.String) return key;
  if (code === TypeCode.Boolean) return key === 'true' ? true : key === 'false' ? false : key;
  return NUMERIC_KEYS.has(code) && key !== '' ? Number(key) : key;
}

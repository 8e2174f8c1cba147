import { inspect } from 'node:util';

import { WireError, WireFault } from './faults.js';
import { ARRAY_MAX_BYTES, CONTAINER_DEPTH_MAX } from './limits.js';
import { parseObjectPath, parseSignature } from './names.js';
import type { CompleteType } from './signature.js';
import { parseSignatureText, signatureTypes } from './signature.js';
import { TypeCode, Variant } from './types.js';
import { ByteWriter } from './writer.js';

/** A lone surrogate has no UTF-8, and NUL ends a string. */
const NOT_MARSHALLABLE = /[\0\p{Surrogate}]/u;

/** Least and greatest value of the types that are JavaScript numbers without a fraction. */
const INTEGER_RANGES: ReadonlyMap<number, readonly [number, number]> = new Map([
  [TypeCode.Byte, [0, 0xff]],
  [TypeCode.Int16, [-0x8000, 0x7fff]],
  [TypeCode.UInt16, [0, 0xffff]],
  [TypeCode.Int32, [-0x80000000, 0x7fffffff]],
  [TypeCode.UInt32, [0, 0xffffffff]],
  [TypeCode.UnixFd, [0, 0xffffffff]],
]);

/**
 * Writes JavaScript values as D-Bus values. Refuses a value that does not fit its type with a
 * {@link WireError} that names its place, such as `argument 1[3]['key']`.
 */
export class Marshaller {
  private readonly writer: ByteWriter;
  /** The value being written, and the place in it as indices and keys. Formatted for errors only. */
  private name = '';
  private readonly path: unknown[] = [];

  constructor(writer: ByteWriter) {
    this.writer = writer;
  }

  /** The arguments of one body. */
  arguments(types: readonly CompleteType[], values: readonly unknown[]): void {
    if (values.length !== types.length) {
      const count = `${values.length} arguments for ${types.length} types`;
      throw new WireError(WireFault.Value, count);
    }
    for (const [i, type] of types.entries()) this.named(`argument ${i}`, type, values[i]);
  }

  /** One value outside all containers, which errors call `name`. */
  named(name: string, type: CompleteType, value: unknown): void {
    this.name = name;
    this.value(type, value, 0);
  }

  private inside(step: unknown, type: CompleteType, value: unknown, depth: number): void {
    this.path.push(step);
    this.value(type, value, depth);
    this.path.pop();
  }

  private value(type: CompleteType, value: unknown, depth: number): void {
    if (depth > CONTAINER_DEPTH_MAX) this.fail(WireFault.Nesting);
    switch (type.code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
      case TypeCode.Signature:
        return this.text(type, value);
      case TypeCode.Variant:
        return this.variant(type, value, depth);
      case TypeCode.Array:
        return this.array(type, value, depth);
      case TypeCode.StructBegin:
        return this.struct(type, value, depth);
      case TypeCode.Boolean:
        if (typeof value !== 'boolean') this.refuse(type, value, 'a boolean');
        return this.writer.uint32(value ? 1 : 0);
      case TypeCode.Double:
        if (typeof value !== 'number') this.refuse(type, value, 'a number');
        return this.writer.double(value);
      case TypeCode.Int64:
      case TypeCode.UInt64:
        return this.bigInteger(type, value);
      default:
        return this.integer(type, value);
    }
  }

  private integer(type: CompleteType, value: unknown): void {
    const [least, greatest] = INTEGER_RANGES.get(type.code) ?? [0, 0];
    const fits =
      typeof value === 'number' && Number.isInteger(value) && value >= least && value <= greatest;
    if (!fits) this.refuse(type, value, `an integer from ${least} to ${greatest}`);
    if (type.fixedSize === 1) this.writer.uint8(value);
    else if (type.fixedSize === 2) this.writer.uint16(value);
    else this.writer.uint32(value);
  }

  private bigInteger(type: CompleteType, value: unknown): void {
    const signed = type.code === TypeCode.Int64;
    const fits =
      typeof value === 'bigint' &&
      (signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) === value;
    if (!fits) this.refuse(type, value, `a bigint of ${signed ? 'signed' : 'unsigned'} 64 bits`);
    this.writer.uint64(BigInt.asUintN(64, value));
  }

  private text(type: CompleteType, value: unknown): void {
    if (typeof value !== 'string') this.refuse(type, value, 'a string');
    if (type.code === TypeCode.Signature) {
      if (parseSignature(value) === undefined) this.refuse(type, value, 'a valid signature');
      return this.writer.signature(value);
    }
    if (type.code === TypeCode.ObjectPath) {
      if (parseObjectPath(value) === undefined) this.fail(WireFault.ObjectPath);
    } else if (NOT_MARSHALLABLE.test(value)) {
      this.fail(WireFault.Utf8);
    }
    return this.writer.string(value);
  }

  private variant(type: CompleteType, value: unknown, depth: number): void {
    if (!(value instanceof Variant)) this.refuse(type, value, 'a Variant');
    const { signature } = value;
    const parsed = typeof signature === 'string' ? parseSignatureText(signature) : undefined;
    if (parsed === undefined) this.refuse(type, value, 'a Variant with a valid signature');
    const [inner] = parsed.types;
    if (inner === undefined || parsed.types.length > 1) this.fail(WireFault.SignatureNotSingle);
    this.writer.signature(signature);
    this.value(inner, value.value, depth + 1);
  }

  private struct(type: CompleteType, value: unknown, depth: number): void {
    const fields = type.children;
    if (!Array.isArray(value) || value.length !== fields.length) {
      this.refuse(type, value, `an array of ${fields.length} fields`);
    }
    this.writer.align(8);
    for (const [i, field] of fields.entries()) this.inside(i, field, value[i], depth + 1);
  }

  private array(type: CompleteType, value: unknown, depth: number): void {
    const { writer } = this;
    const { element } = type;
    writer.uint32(0);
    const lengthPosition = writer.position - 4;
    writer.align(element.alignment);
    const start = writer.position;
    if (element.code === TypeCode.Byte) this.byteElements(type, value);
    else if (element.code === TypeCode.DictEntryBegin) this.dictEntries(type, value, depth);
    else this.elements(type, value, depth);
    const length = writer.position - start;
    if (length > ARRAY_MAX_BYTES) this.fail(WireFault.ArrayTooLong);
    writer.patchUint32(lengthPosition, length);
  }

  private byteElements(type: CompleteType, value: unknown): void {
    if (!(value instanceof Uint8Array)) this.refuse(type, value, 'a Uint8Array');
    this.writer.bytes(value);
  }

  private elements(type: CompleteType, value: unknown, depth: number): void {
    if (!Array.isArray(value)) this.refuse(type, value, 'an array');
    const { element } = type;
    for (let i = 0; i < value.length; i++) this.inside(i, element, value[i], depth + 1);
  }

  private dictEntries(type: CompleteType, value: unknown, depth: number): void {
    if (!(value instanceof Map)) this.refuse(type, value, 'a Map');
    const { element } = type;
    for (const [key, entry] of value) {
      this.writer.align(8);
      this.inside(key, element.key, key, depth + 2);
      this.inside(key, element.value, entry, depth + 2);
    }
  }

  private where(): string {
    return this.name + this.path.map((step) => `[${inspect(step)}]`).join('');
  }

  private fail(fault: WireFault): never {
    throw new WireError(fault, this.where());
  }

  private refuse(type: CompleteType, value: unknown, wanted: string): never {
    const got = inspect(value, { depth: 0, maxArrayLength: 8, maxStringLength: 40 });
    const what = `type '${type.text}' takes ${wanted}, not ${got}`;
    throw new WireError(WireFault.Value, `${this.where()}: ${what}`);
  }
}

/**
 * Marshals the arguments of a message. Types: `y n q i u d` are numbers, `h` is an index into the
 * message's descriptors, `b` a boolean, `x t` bigints, `s o g` strings, `v` a {@link Variant}, `ay` a
 * Uint8Array, other arrays and structs arrays, dicts Maps. Throws a {@link WireError}.
 */
export function encodeBody(
  signature: string,
  values: readonly unknown[],
  littleEndian = true,
): Uint8Array {
  const writer = new ByteWriter(littleEndian);
  new Marshaller(writer).arguments(signatureTypes(signature), values);
  return writer.written();
}

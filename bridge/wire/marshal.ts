import { inspect } from 'node:util';

import { WriteConvention } from './convention.js';
import { WireError, WireFault } from './faults.js';
import { ARRAY_MAX_BYTES, CONTAINER_DEPTH_MAX } from './limits.js';
import { isObjectPathBytes, parseSignature } from './names.js';
import type { CompleteType } from './signature.js';
import { parseSignatureText, signatureTypes } from './signature.js';
import { TypeCode } from './types.js';
import { ByteWriter } from './writer.js';

const NO_TYPES: readonly CompleteType[] = [];

/**
 * Writes JavaScript values as D-Bus values. Refuses a value that does not fit its type with a
 * {@link WireError} that names its place, such as `argument 1[3]['key']`.
 */
export class Marshaller {
  private readonly writer: ByteWriter;
  private readonly convention: WriteConvention;
  /** What errors call the value outside all containers: this or, without a name, the argument of this number. */
  private name = '';
  private argument = 0;
  /** The place in it: the first `level` of these are indices and keys. */
  private readonly steps: unknown[] = [];
  private level = 0;
  /** the signature of the last body, which is mostly that of the next one, too */
  private signature = '';
  private types = NO_TYPES;

  constructor(writer: ByteWriter, convention: WriteConvention) {
    this.writer = writer;
    this.convention = convention;
  }

  /** The arguments of one body. */
  // hot
  arguments(signature: string, values: readonly unknown[]): void {
    if (signature !== this.signature) {
      this.types = signatureTypes(signature);
      this.signature = signature;
    }
    const { types } = this;
    if (values.length !== types.length) this.refuseCount(values);
    this.name = '';
    this.level = 0;
    for (let i = 0; i < types.length; i++) {
      this.argument = i;
      this.value(types[i], values[i], 0);
    }
  }

  /** One value outside all containers, which errors call `name`. */
  named(name: string, type: CompleteType, value: unknown): void {
    this.name = name;
    this.level = 0;
    this.value(type, value, 0);
  }

  /** One entry of a dict that is inside `depth` containers. */
  // hot
  entry(dict: CompleteType, key: unknown, value: unknown, depth: number): void {
    const { children } = dict.children[0];
    this.writer.align(8);
    this.steps[this.level - 1] = key;
    this.value(children[0], key, depth + 2);
    this.value(children[1], value, depth + 2);
  }

  // hot
  private value(type: CompleteType, value: unknown, depth: number): void {
    if (depth > CONTAINER_DEPTH_MAX) this.fail(WireFault.Nesting);
    switch (type.code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
        return this.text(type, value);
      case TypeCode.UInt32:
        if (typeof value !== 'number' || value >>> 0 !== value) this.refuse(type, value);
        return this.writer.uint32(value);
      case TypeCode.Int32:
        if (typeof value !== 'number' || (value | 0) !== value) this.refuse(type, value);
        return this.writer.uint32(value);
      case TypeCode.Array:
        return this.array(type, value, depth);
      case TypeCode.StructBegin:
        return this.struct(type, value, depth);
      case TypeCode.Variant:
        return this.variant(type, value, depth);
      default:
        return this.other(type, value);
    }
  }

  // hot
  private other(type: CompleteType, value: unknown): void {
    const { writer, convention } = this;
    switch (type.code) {
      case TypeCode.Boolean:
        return writer.uint32((convention.boolean(value) ?? this.refuse(type, value)) ? 1 : 0);
      case TypeCode.Byte:
        if (typeof value !== 'number' || (value & 0xff) !== value) this.refuse(type, value);
        return writer.uint8(value);
      case TypeCode.Int16:
        if (typeof value !== 'number' || (value << 16) >> 16 !== value) this.refuse(type, value);
        return writer.uint16(value);
      case TypeCode.UInt16:
        if (typeof value !== 'number' || (value & 0xffff) !== value) this.refuse(type, value);
        return writer.uint16(value);
      case TypeCode.Double:
        return writer.double(convention.double(value) ?? this.refuse(type, value));
      case TypeCode.UnixFd:
        return writer.uint32(convention.descriptor(value) ?? this.refuse(type, value));
      case TypeCode.Signature:
        return this.signatureText(type, value);
      default:
        return this.longInteger(type, value);
    }
  }

  private longInteger(type: CompleteType, value: unknown): void {
    const long = this.convention.longInteger(value) ?? this.refuse(type, value);
    const word = BigInt.asUintN(64, long);
    const fits = (type.code === TypeCode.Int64 ? BigInt.asIntN(64, long) : word) === long;
    if (!fits) this.refuse(type, value);
    this.writer.uint64(word);
  }

  // hot
  private text(type: CompleteType, value: unknown): void {
    const { writer, convention } = this;
    const text =
      typeof value === 'string'
        ? value
        : (convention.text(type, value) ?? this.refuse(type, value));
    writer.align(4);
    const start = writer.position + 4;
    if (!writer.string(text)) this.repair(type, text);
    if (type.code === TypeCode.ObjectPath) {
      const isPath = isObjectPathBytes(writer.bytes, start, writer.position - 1 - start);
      if (!isPath) this.fail(WireFault.ObjectPath);
    }
  }

  private repair(type: CompleteType, text: string): void {
    const fault = type.code === TypeCode.ObjectPath ? WireFault.ObjectPath : WireFault.Utf8;
    const repaired = this.convention.repaired(text) ?? this.fail(fault);
    if (!this.writer.string(repaired)) this.fail(fault);
  }

  private signatureText(type: CompleteType, value: unknown): void {
    const text = typeof value === 'string' ? value : this.convention.text(type, value);
    if (text === undefined || parseSignature(text) === undefined) this.refuse(type, value);
    this.writer.signature(text);
  }

  // hot
  private variant(type: CompleteType, value: unknown, depth: number): void {
    const variant = this.convention.variant(value) ?? this.refuse(type, value);
    const { signature } = variant;
    const types = typeof signature === 'string' ? parseSignatureText(signature)?.types : undefined;
    if (types === undefined) this.refuse(type, value, 'a Variant with a valid signature');
    if (types.length !== 1) this.fail(WireFault.SignatureNotSingle);
    this.writer.signature(signature);
    this.value(types[0], variant.value, depth + 1);
  }

  // hot
  private struct(type: CompleteType, value: unknown, depth: number): void {
    const fields = type.children;
    if (!Array.isArray(value) || value.length !== fields.length) this.refuse(type, value);
    this.writer.align(8);
    const level = this.level++;
    for (let i = 0; i < fields.length; i++) {
      this.steps[level] = i;
      this.value(fields[i], value[i], depth + 1);
    }
    this.level = level;
  }

  // hot
  private array(type: CompleteType, value: unknown, depth: number): void {
    const { writer, convention } = this;
    const element = type.children[0];
    if (element.code === TypeCode.Byte && value instanceof Uint8Array) {
      if (value.length > ARRAY_MAX_BYTES) this.fail(WireFault.ArrayTooLong);
      writer.uint32(value.length);
      return convention.bytes(writer, value, depth);
    }
    writer.uint32(0);
    const lengthAt = writer.position - 4;
    writer.align(element.alignment);
    const start = writer.position;
    if (element.code === TypeCode.DictEntryBegin) this.dict(type, value, depth);
    else this.elements(type, value, depth);
    const length = writer.position - start;
    if (length > ARRAY_MAX_BYTES) this.fail(WireFault.ArrayTooLong);
    writer.patchUint32(lengthAt, length);
  }

  // hot
  private dict(type: CompleteType, value: unknown, depth: number): void {
    const level = this.level++;
    const isDict = this.convention.entries(this, type, value, depth);
    this.level = level;
    if (!isDict) this.refuse(type, value);
  }

  // hot
  private elements(type: CompleteType, value: unknown, depth: number): void {
    const element = type.children[0];
    const isList = element.code !== TypeCode.Byte || this.convention.takesByteLists;
    if (!isList || !Array.isArray(value)) this.refuse(type, value);
    const level = this.level++;
    for (let i = 0; i < value.length; i++) {
      this.steps[level] = i;
      this.value(element, value[i], depth + 1);
    }
    this.level = level;
  }

  private where(): string {
    const { name, argument, steps, level } = this;
    const inner = steps.slice(0, level).map((step) => `[${inspect(step)}]`);
    return (name === '' ? `argument ${argument}` : name) + inner.join('');
  }

  private fail(fault: WireFault): never {
    throw new WireError(fault, this.where());
  }

  private refuse(type: CompleteType, value: unknown, wanted = this.convention.wanted(type)): never {
    const got = inspect(value, { depth: 0, maxArrayLength: 8, maxStringLength: 40 });
    const what = `type '${type.text}' takes ${wanted}, not ${got}`;
    throw new WireError(WireFault.Value, `${this.where()}: ${what}`);
  }

  private refuseCount(values: readonly unknown[]): never {
    const count = `${values.length} arguments for ${this.types.length} types`;
    throw new WireError(WireFault.Value, count);
  }
}

const PLAIN = new WriteConvention();
const SHARED_BYTES = 4096;

/** Each writer and its marshaller are used again: making them costs more than writing a short body. */
export class Encoder {
  readonly writer: ByteWriter;
  readonly marshaller: Marshaller;

  /** @param keptMaxBytes larger memory, which a long message has needed, is not used again */
  constructor(keptMaxBytes?: number) {
    this.writer = new ByteWriter(true, SHARED_BYTES, keptMaxBytes);
    this.marshaller = new Marshaller(this.writer, PLAIN);
  }

  start(littleEndian: boolean): this {
    this.writer.restart();
    this.writer.littleEndian = littleEndian;
    return this;
  }
}

export const encoder = new Encoder();

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
  const { writer, marshaller } = encoder.start(littleEndian);
  marshaller.arguments(signature, values);
  return writer.take();
}

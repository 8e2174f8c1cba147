import { WireError, WireFault } from '#bridge/wire/faults.js';
import { singleType, type CompleteType, type ParsedSignature } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { validator } from '#bridge/wire/value.js';
import { library, longInteger } from './library.js';

/** The descriptors that came with a message: by index. @throws Error when there is none with that index */
export type DescriptorOf = (index: number) => number;

/** Reads D-Bus bodies as JavaScript values by dbus-next's conventions; nothing in a result refers to the bytes. */
export class ValueReader {
  private bytes: Uint8Array = new Uint8Array(0);
  private buffer: Buffer = Buffer.alloc(0);
  private view: DataView = new DataView(this.bytes.buffer);
  private littleEndian = true;
  private at = 0;
  private descriptorOf: DescriptorOf = noDescriptor;

  /** The body from `start`, a multiple of 8, to `end`. @throws WireError, and what `descriptorOf` throws */
  read(
    signature: ParsedSignature,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    littleEndian: boolean,
    descriptorOf: DescriptorOf = noDescriptor,
  ): unknown[] {
    const { types } = signature;
    validator.open(bytes, view, start, end, littleEndian);
    const position = validator.values(types, start, 0);
    if (position < 0) throw new WireError(-position, 'body');
    if (position < end) throw new WireError(WireFault.TrailingBytes, 'body');
    if (this.bytes !== bytes) {
      this.bytes = bytes;
      this.view = view;
      this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.littleEndian = littleEndian;
    this.at = start;
    this.descriptorOf = descriptorOf;
    return this.values(types);
  }

  private values(types: readonly CompleteType[]): unknown[] {
    const values: unknown[] = [];
    for (const type of types) values.push(this.value(type));
    return values;
  }

  private value(type: CompleteType): unknown {
    switch (type.code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
        return this.text(this.word());
      case TypeCode.Signature:
        return this.text(this.view.getUint8(this.at++));
      case TypeCode.Variant:
        return this.variant();
      case TypeCode.Array:
        return this.array(type.element);
      case TypeCode.StructBegin:
        this.align(8);
        return this.values(type.children);
      case TypeCode.UInt32:
        return this.word();
      case TypeCode.UnixFd:
        return this.descriptorOf(this.word());
      default:
        return this.fixed(type);
    }
  }

  private fixed({ code, fixedSize }: CompleteType): unknown {
    this.align(fixedSize);
    const { at, view, littleEndian } = this;
    this.at += fixedSize;
    switch (code) {
      case TypeCode.Byte:
        return view.getUint8(at);
      case TypeCode.Boolean:
        return view.getUint32(at, littleEndian) === 1;
      case TypeCode.Int16:
        return view.getInt16(at, littleEndian);
      case TypeCode.UInt16:
        return view.getUint16(at, littleEndian);
      case TypeCode.Int32:
        return view.getInt32(at, littleEndian);
      case TypeCode.Int64:
        return longInteger(view.getBigInt64(at, littleEndian));
      case TypeCode.UInt64:
        return longInteger(view.getBigUint64(at, littleEndian));
      default:
        return view.getFloat64(at, littleEndian);
    }
  }

  private variant(): unknown {
    const signature = this.text(this.view.getUint8(this.at++));
    return new library.Variant(signature, this.value(singleType(signature)));
  }

  private array(element: CompleteType): unknown {
    const length = this.word();
    this.align(element.alignment);
    const end = this.at + length;
    if (element.code === TypeCode.Byte) {
      const copy = Buffer.allocUnsafe(length);
      copy.set(this.bytes.subarray(this.at, end));
      this.at = end;
      return copy;
    }
    if (element.code === TypeCode.DictEntryBegin) return this.entries(element, end);
    const elements: unknown[] = [];
    while (this.at < end) elements.push(this.value(element));
    return elements;
  }

  private entries(entry: CompleteType, end: number): object {
    const entries: Record<string, unknown> = {};
    while (this.at < end) {
      this.align(8);
      const key = String(this.value(entry.key));
      const value = this.value(entry.value);
      if (key === '__proto__') addOwn(entries, key, value);
      else entries[key] = value;
    }
    return entries;
  }

  private text(length: number): string {
    const start = this.at;
    this.at = start + length + 1;
    return this.buffer.toString('utf8', start, start + length);
  }

  private word(): number {
    this.align(4);
    const value = this.view.getUint32(this.at, this.littleEndian);
    this.at += 4;
    return value;
  }

  private align(boundary: number): void {
    this.at = (this.at + boundary - 1) & -boundary;
  }
}

function noDescriptor(): never {
  throw new Error('the message has a file descriptor: open the bus with { negotiateUnixFd: true }');
}

/** An assignment to this key would change what the object inherits. */
function addOwn(entries: object, key: string, value: unknown): void {
  Object.defineProperty(entries, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

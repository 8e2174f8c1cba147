import { ReadConvention } from '#bridge/wire/convention.js';
import { Unmarshaller } from '#bridge/wire/unmarshal.js';
import type { ParsedSignature } from '#bridge/wire/signature.js';
import { library, longInteger } from './library.js';

/** The descriptors that came with a message: by index. @throws Error when there is none with that index */
export type DescriptorOf = (index: number) => number;

type Entries = Record<string, unknown>;

/** Values as dbus-next makes them. */
class DbusNextReadConvention extends ReadConvention<Entries> {
  descriptorOf: DescriptorOf | undefined;

  override variant(signature: string, value: unknown): unknown {
    return new library.Variant(signature, value);
  }

  override longInteger(value: bigint): unknown {
    return longInteger(value);
  }

  override descriptor(index: number): number {
    if (this.descriptorOf !== undefined) return this.descriptorOf(index);
    const how = 'open the bus with { negotiateUnixFd: true }';
    throw new Error(`the message has a file descriptor: ${how}`);
  }

  override bytes(bytes: Uint8Array, start: number, end: number): Buffer {
    const copy = Buffer.allocUnsafe(end - start);
    copy.set(bytes.subarray(start, end));
    return copy;
  }

  override dict(): Entries {
    return {};
  }

  override addEntry(entries: Entries, key: unknown, value: unknown): void {
    const name = String(key);
    if (name === '__proto__') addOwn(entries, name, value);
    else entries[name] = value;
  }
}

/** Reads D-Bus bodies as JavaScript values by dbus-next's conventions; nothing in a result refers to the bytes. */
export class ValueReader {
  private readonly convention = new DbusNextReadConvention();
  private readonly unmarshaller = new Unmarshaller(this.convention);

  /** The body from `start`, a multiple of 8, to `end`. @throws WireError, and what `descriptorOf` throws */
  read(
    { types }: ParsedSignature,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    littleEndian: boolean,
    descriptorOf?: DescriptorOf,
  ): unknown[] {
    this.convention.descriptorOf = descriptorOf;
    const carries = descriptorOf !== undefined;
    return this.unmarshaller.read(types, bytes, view, start, end, littleEndian, carries);
  }
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

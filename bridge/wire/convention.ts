import type { CompleteType } from './signature.js';
import { TypeCode, Variant } from './types.js';
import type { ByteWriter } from './writer.js';

/**
 * How D-Bus values look in JavaScript. The codec (`Marshaller`, `Unmarshaller`) knows the types, the limits and what
 * all conventions share: numbers, bigints, strings, booleans, arrays. It asks a convention about the rest. The classes
 * here are the convention of the bridge itself; others derive from them.
 */

/** Takes the entries of a dict. */
export interface EntryWriter {
  /** `dict`: the type of the whole dict */
  entry(dict: CompleteType, key: unknown, value: unknown, depth: number): void;
}

/** What a program may give for a value that is to be marshalled. */
export class WriteConvention {
  /** Whether an array of numbers may stand for `ay`, as well as a Uint8Array. */
  readonly takesByteLists: boolean = false;

  /** What a value of type `s`, `o` or `g` that is not a string stands for. */
  text(_type: CompleteType, _value: unknown): string | undefined {
    return undefined;
  }

  /** What to send for a string that contains U+0000 or a lone surrogate. */
  repaired(_text: string): string | undefined {
    return undefined;
  }

  boolean(value: unknown): boolean | undefined {
    return typeof value === 'boolean' ? value : undefined;
  }

  double(value: unknown): number | undefined {
    return typeof value === 'number' ? value : undefined;
  }

  longInteger(value: unknown): bigint | undefined {
    return typeof value === 'bigint' ? value : undefined;
  }

  variant(value: unknown): { readonly signature: string; readonly value: unknown } | undefined {
    return value instanceof Variant ? value : undefined;
  }

  /** The index of a descriptor among those of the message. */
  descriptor(value: unknown): number | undefined {
    return typeof value === 'number' && value >>> 0 === value ? value : undefined;
  }

  /** Writes the elements of an `ay` that is inside `depth` containers. */
  bytes(writer: ByteWriter, value: Uint8Array, _depth: number): void {
    writer.copy(value);
  }

  /** Writes the entries of a dict. False when `value` is none. */
  entries(writer: EntryWriter, dict: CompleteType, value: unknown, depth: number): boolean {
    if (!(value instanceof Map)) return false;
    for (const [key, entry] of value) writer.entry(dict, key, entry, depth);
    return true;
  }

  /** What a value of this type has to be, for errors. */
  wanted({ code, children }: CompleteType): string {
    switch (code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
        return 'a string';
      case TypeCode.Signature:
        return 'a valid signature';
      case TypeCode.Variant:
        return 'a Variant';
      case TypeCode.StructBegin:
        return `an array of ${children.length} fields`;
      case TypeCode.Boolean:
        return 'a boolean';
      case TypeCode.Double:
        return 'a number';
      case TypeCode.Int64:
        return 'a bigint of signed 64 bits';
      case TypeCode.UInt64:
        return 'a bigint of unsigned 64 bits';
      case TypeCode.Array: {
        const element = children[0]?.code;
        if (element === TypeCode.DictEntryBegin) return 'a Map';
        return element === TypeCode.Byte ? 'a Uint8Array' : 'an array';
      }
      default:
        return `an integer from ${INTEGER_RANGES[code] ?? 'no type'}`;
    }
  }
}

/** Least and greatest value of the types that are JavaScript numbers without a fraction. */
const INTEGER_RANGES: Readonly<Record<number, string>> = {
  [TypeCode.Byte]: '0 to 255',
  [TypeCode.Int16]: '-32768 to 32767',
  [TypeCode.UInt16]: '0 to 65535',
  [TypeCode.Int32]: '-2147483648 to 2147483647',
  [TypeCode.UInt32]: '0 to 4294967295',
  [TypeCode.UnixFd]: '0 to 4294967295',
};

/** What a program gets for a value that was marshalled. */
export abstract class ReadConvention<Dict> {
  variant(signature: string, value: unknown): unknown {
    return new Variant(signature, value);
  }

  longInteger(value: bigint): unknown {
    return value;
  }

  objectPath(text: string): unknown {
    return text;
  }

  descriptor(index: number): unknown {
    return index;
  }

  /** The bytes from `start` to `end`, which the next message may overwrite. */
  bytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
    return copyOf(bytes, start, end - start);
  }

  abstract dict(): Dict;
  abstract addEntry(dict: Dict, key: unknown, value: unknown): void;
}

/** With dicts as Maps. Of entries with equal keys the last one remains: the specification leaves this open. */
export class MapConvention extends ReadConvention<Map<unknown, unknown>> {
  override dict(): Map<unknown, unknown> {
    return new Map();
  }

  override addEntry(dict: Map<unknown, unknown>, key: unknown, value: unknown): void {
    dict.set(key, value);
  }
}

/** Shorter arrays are copied byte by byte: that takes less time than a call of the built-in copy. */
const BYTEWISE_MAX_BYTES = 8;
/** Longer arrays are in memory that was not filled with zeros first. */
const ZEROED_MAX_BYTES = 4096;

function copyOf(bytes: Uint8Array, at: number, length: number): Uint8Array {
  if (length <= BYTEWISE_MAX_BYTES) {
    const few = new Uint8Array(length);
    for (let i = 0; i < length; i++) few[i] = bytes[at + i];
    return few;
  }
  /* a Buffer's own `slice` makes no copy */
  if (length <= ZEROED_MAX_BYTES) return Uint8Array.prototype.slice.call(bytes, at, at + length);
  const copy = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  copy.set(bytes.subarray(at, at + length));
  return copy;
}

import { isUtf8 } from 'node:buffer';

/**
 * The type of a field of a control message: how its values are written and read. Numbers are little endian; texts,
 * bytes and lists begin with their length.
 */
export interface FieldType<T> {
  /** @throws RangeError: the type has no such value */
  write(writer: FieldWriter, value: T): void;
  /** Once the reader has failed, the value does not matter. */
  read(reader: FieldReader): T;
}

export type ValueOf<F extends FieldType<unknown>> = ReturnType<F['read']>;

/** Fields by name, in the order in which they are written. */
export type Shape = Readonly<Record<string, FieldType<unknown>>>;
export type FieldsOf<S extends Shape> = { readonly [K in keyof S]: ValueOf<S[K]> };
type Optional<S extends Shape> = { readonly [K in keyof S]?: ValueOf<S[K]> };

/** Reads fields from bytes that anybody may have made: it fails instead of throwing, and never reads beyond the end. */
export class FieldReader {
  hasFailed = false;
  private readonly view: DataView;
  private at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.view = viewOf(bytes);
    this.at = at;
  }

  /** Whether every field was valid, and no byte is left. */
  get isComplete(): boolean {
    return !this.hasFailed && this.at === this.view.byteLength;
  }

  fail(): void {
    this.hasFailed = true;
    this.at = this.view.byteLength;
  }

  u8(): number {
    const at = this.take(1);
    return at < 0 ? 0 : this.view.getUint8(at);
  }

  u32(): number {
    const at = this.take(4);
    return at < 0 ? 0 : this.view.getUint32(at, true);
  }

  i32(): number {
    return this.u32() | 0;
  }

  f64(): number {
    const at = this.take(8);
    return at < 0 ? 0 : this.view.getFloat64(at, true);
  }

  /** The length of a list whose elements have at least one byte each. */
  count(max: number): number {
    const count = this.u32();
    if (count <= max && count <= this.view.byteLength - this.at) return count;
    this.fail();
    return 0;
  }

  text(maxBytes: number): string {
    const bytes = this.part(maxBytes);
    if (isUtf8(bytes)) return bytes.toString('utf8');
    this.fail();
    return '';
  }

  data(maxBytes: number): Uint8Array {
    return new Uint8Array(this.part(maxBytes));
  }

  private part(maxBytes: number): Buffer {
    const length = this.u32();
    if (length > maxBytes) this.fail();
    const at = this.take(length);
    return at < 0 ? NOTHING : Buffer.from(this.view.buffer, this.view.byteOffset + at, length);
  }

  /** Where the next bytes begin; -1: there are not so many. */
  private take(length: number): number {
    const { at } = this;
    if (length > this.view.byteLength - at) {
      this.fail();
      return -1;
    }
    this.at = at + length;
    return at;
  }
}

const NOTHING = Buffer.alloc(0);

const MIN_BYTES = 1024;
/** A writer keeps its memory for the next message up to this size. */
const KEPT_MAX_BYTES = 1 << 16;

/** Writes the fields of one message after the other. */
export class FieldWriter {
  private bytes: Buffer = Buffer.alloc(MIN_BYTES);
  private view = viewOf(this.bytes);
  private length = 0;

  begin(): void {
    if (this.bytes.length > KEPT_MAX_BYTES) this.moveTo(Buffer.alloc(MIN_BYTES));
    this.length = 0;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return new Uint8Array(this.bytes.subarray(0, this.length));
  }

  u8(value: number): void {
    const at = this.take(1);
    this.bytes[at] = value;
  }

  u32(value: number): void {
    const at = this.take(4);
    this.view.setUint32(at, value, true);
  }

  i32(value: number): void {
    const at = this.take(4);
    this.view.setInt32(at, value, true);
  }

  f64(value: number): void {
    const at = this.take(8);
    this.view.setFloat64(at, value, true);
  }

  /** Writes as many whole characters as fit. */
  text(text: string, maxBytes: number): void {
    const room = Math.min(text.length * 3, maxBytes);
    const at = this.take(4 + room);
    const lengthBytes = this.bytes.write(text, at + 4, room, 'utf8');
    this.view.setUint32(at, lengthBytes, true);
    this.length = at + 4 + lengthBytes;
  }

  data(data: Uint8Array): void {
    this.u32(data.length);
    const at = this.take(data.length);
    this.bytes.set(data, at);
  }

  /** Where the next bytes are to be written. */
  private take(length: number): number {
    const at = this.length;
    this.length = at + length;
    if (this.length > this.bytes.length) this.grow();
    return at;
  }

  private grow(): void {
    const larger = Buffer.alloc(Math.max(this.length, this.bytes.length * 2));
    larger.set(this.bytes);
    this.moveTo(larger);
  }

  private moveTo(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

// Numbers.

export const u8: FieldType<number> = {
  write: (writer, value) => writer.u8(within(value, 0, 0xff)),
  read: (reader) => reader.u8(),
};

export const u32: FieldType<number> = {
  write: (writer, value) => writer.u32(within(value, 0, 0xffff_ffff)),
  read: (reader) => reader.u32(),
};

export const i32: FieldType<number> = {
  write: (writer, value) => writer.i32(within(value, -0x8000_0000, 0x7fff_ffff)),
  read: (reader) => reader.i32(),
};

/** Of up to 53 bits, as all integers that a number can hold exactly. */
export const integer: FieldType<number> = {
  write: (writer, value) =>
    writer.f64(within(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)),
  read: (reader) => {
    const value = reader.f64();
    if (!Number.isSafeInteger(value)) reader.fail();
    return value;
  },
};

function within(value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${value} is not an integer from ${min} to ${max}`);
}

export const bool: FieldType<boolean> = {
  write: (writer, value) => writer.u8(value ? 1 : 0),
  read: (reader) => indexBelow(2, reader) === 1,
};

/** One of a few values, which are numbered in this order. */
export function choice<const T>(first: T, ...others: readonly T[]): FieldType<T> {
  const values = [first, ...others];
  return {
    write: (writer, value) => writer.u8(within(values.indexOf(value), 0, 0xff)),
    read: (reader) => values[indexBelow(values.length, reader)] ?? first,
  };
}

function indexBelow(end: number, reader: FieldReader): number {
  const index = reader.u8();
  if (index < end) return index;
  reader.fail();
  return 0;
}

// Texts and bytes.

/** A text that says nothing if it is cut: to write a longer one is a fault of the program. */
export function text(maxBytes: number): FieldType<string> {
  return {
    write: (writer, value) => {
      const isShort = value.length * 3 <= maxBytes || Buffer.byteLength(value) <= maxBytes;
      if (!isShort) throw new RangeError(`a text is longer than ${maxBytes} bytes`);
      writer.text(value, maxBytes);
    },
    read: (reader) => reader.text(maxBytes),
  };
}

/** A text for people to read: what does not fit is left out. */
export function prose(maxBytes: number): FieldType<string> {
  return {
    write: (writer, value) => writer.text(value, maxBytes),
    read: (reader) => reader.text(maxBytes),
  };
}

export function bytes(maxBytes: number): FieldType<Uint8Array> {
  return {
    write: (writer, value) => {
      within(value.length, 0, maxBytes);
      writer.data(value);
    },
    read: (reader) => reader.data(maxBytes),
  };
}

// Compound types.

/** A value that may be undefined. */
export function optional<T>(type: FieldType<T>): FieldType<T | undefined> {
  return {
    write: (writer, value) => {
      bool.write(writer, value !== undefined);
      if (value !== undefined) type.write(writer, value);
    },
    read: (reader) => (bool.read(reader) ? type.read(reader) : undefined),
  };
}

/** A value that may be null. */
export function nullable<T>(type: FieldType<T>): FieldType<T | null> {
  return written(
    optional(type),
    (value: T | null) => value ?? undefined,
    (value) => value ?? null,
  );
}

export function list<T>(type: FieldType<T>, maxCount: number): FieldType<readonly T[]> {
  return {
    write: (writer, values) => {
      writer.u32(within(values.length, 0, maxCount));
      for (const value of values) type.write(writer, value);
    },
    read: (reader) => readTimes(reader.count(maxCount), type, reader),
  };
}

/** A list whose length everybody knows. */
export function times<T>(count: number, type: FieldType<T>): FieldType<readonly T[]> {
  return {
    write: (writer, values) => {
      within(values.length, count, count);
      for (const value of values) type.write(writer, value);
    },
    read: (reader) => readTimes(count, type, reader),
  };
}

function readTimes<T>(count: number, type: FieldType<T>, reader: FieldReader): T[] {
  const values: T[] = [];
  while (values.length < count && !reader.hasFailed) values.push(type.read(reader));
  return values;
}

/** An object with these fields; it lacks those of `extra` that it has no value for. */
export function record<S extends Shape>(shape: S): FieldType<FieldsOf<S>>;
export function record<S extends Shape, O extends Shape>(
  shape: S,
  extra: O,
): FieldType<FieldsOf<S> & Optional<O>>;
export function record(shape: Shape, extra: Shape = {}): FieldType<unknown> {
  const fields = Object.entries(shape);
  const extras = Object.entries(extra).map(([name, type]) => [name, optional(type)] as const);
  return {
    write(writer: FieldWriter, value: Readonly<Record<string, unknown>>): void {
      for (const [name, type] of fields) type.write(writer, value[name]);
      for (const [name, type] of extras) type.write(writer, value[name]);
    },
    read(reader: FieldReader): Record<string, unknown> {
      const value: Record<string, unknown> = {};
      for (const [name, type] of fields) value[name] = type.read(reader);
      for (const [name, type] of extras) {
        const given = type.read(reader);
        if (given !== undefined) value[name] = given;
      }
      return value;
    },
  };
}

/** An object with as many integers. */
export function integers<K extends string>(
  ...names: readonly K[]
): FieldType<Readonly<Record<K, number>>>;
export function integers(...names: readonly string[]): FieldType<unknown> {
  return record(Object.fromEntries(names.map((name) => [name, integer])));
}

/** An object whose `kind` says which fields it has. */
export function variants<V extends Readonly<Record<string, FieldType<object>>>>(
  types: V,
): FieldType<{ [K in keyof V]: { readonly kind: K } & ValueOf<V[K]> }[keyof V]>;
export function variants(types: Readonly<Record<string, FieldType<object>>>): FieldType<unknown> {
  const [first = '', ...others] = Object.keys(types);
  const kinds = choice(first, ...others);
  return {
    write(writer: FieldWriter, value: { readonly kind: string }): void {
      kinds.write(writer, value.kind);
      types[value.kind]?.write(writer, value);
    },
    read(reader: FieldReader): object {
      const kind = kinds.read(reader);
      return { kind, ...types[kind]?.read(reader) };
    },
  };
}

/** A type whose values are written as those of another one. */
export function written<T, W>(
  as: FieldType<W>,
  toWrite: (value: T) => W,
  fromRead: (written: W) => T,
): FieldType<T> {
  return {
    write: (writer, value) => as.write(writer, toWrite(value)),
    read: (reader) => fromRead(as.read(reader)),
  };
}

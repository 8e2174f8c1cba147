import { WireError, WireFault } from './faults.js';
import { SIGNATURE_MAX_LENGTH } from './limits.js';
import { signatureFault } from './signature-syntax.js';
import { TypeCode } from './types.js';

/**
 * One complete type. All have the same shape, so that code that walks them stays monomorphic. They are shared by
 * everyone who knows the signature, and read-only to TypeScript alone: V8 calls into its runtime for each element of an
 * array that is frozen.
 */
export class CompleteType {
  /** A {@link TypeCode}: `StructBegin` for structs, `DictEntryBegin` for dict entries. */
  readonly code: number;
  readonly text: string;
  /** Boundary that a value starts at, in bytes from the start of the message. */
  readonly alignment: number;
  /** Size of every value in bytes, or 0 when that depends on the value. */
  readonly fixedSize: number;
  /** The types inside: one for an array, key and value for a dict entry, the fields of a struct. */
  readonly children: readonly CompleteType[];

  constructor(code: number, text: string, children: readonly CompleteType[]) {
    this.code = code;
    this.text = text;
    this.alignment = ALIGNMENTS.get(code)!;
    this.fixedSize = FIXED_TYPES.includes(String.fromCharCode(code)) ? this.alignment : 0;
    this.children = children;
    Object.freeze(this);
  }

  /** The type inside an array. */
  get element(): CompleteType {
    return this.child(0);
  }

  /** The type of a dict entry's key. */
  get key(): CompleteType {
    return this.child(0);
  }

  /** The type of a dict entry's value. */
  get value(): CompleteType {
    return this.child(1);
  }

  private child(index: number): CompleteType {
    const child = this.children[index];
    if (child === undefined) throw new TypeError(`the type '${this.text}' has no such part`);
    return child;
  }
}

/** A valid signature with its types. */
export class ParsedSignature {
  readonly text: string;
  readonly types: readonly CompleteType[];

  constructor(text: string) {
    this.text = text;
    this.types = completeTypes(text, 0, text.length);
    Object.freeze(this);
  }
}

const FIXED_TYPES = 'ybnqiuxtdh';

/** "Marshaling (Wire Format)". */
const ALIGNMENTS: ReadonlyMap<number, number> = new Map(
  'y1 g1 v1 n2 q2 b4 i4 u4 h4 s4 o4 a4 x8 t8 d8 (8 {8'
    .split(' ')
    .map((entry) => [entry.charCodeAt(0), Number(entry.slice(1))]),
);

/** `text` is known to be valid from `start` to `end`. */
function completeTypes(text: string, start: number, end: number): CompleteType[] {
  const types: CompleteType[] = [];
  for (let position = start; position < end;) {
    const type = completeType(text, position);
    types.push(type);
    position += type.text.length;
  }
  return types;
}

function completeType(text: string, start: number): CompleteType {
  const code = text.charCodeAt(start);
  if (code === TypeCode.Array) {
    const element = completeType(text, start + 1);
    return new CompleteType(code, text.slice(start, start + 1 + element.text.length), [element]);
  }
  if (code === TypeCode.StructBegin || code === TypeCode.DictEntryBegin) {
    const closing = code === TypeCode.StructBegin ? TypeCode.StructEnd : TypeCode.DictEntryEnd;
    const fields: CompleteType[] = [];
    let position = start + 1;
    while (text.charCodeAt(position) !== closing) {
      const field = completeType(text, position);
      fields.push(field);
      position += field.text.length;
    }
    return new CompleteType(code, text.slice(start, position + 1), fields);
  }
  return new CompleteType(code, text.slice(start, start + 1), []);
}

/*
 * Cache of signatures by their bytes. Each hash has one slot, and a new signature evicts the old one: the size
 * is bounded whatever the clients send, and the few signatures that a desktop uses stay.
 */
const SLOT_COUNT = 512; /* a power of two */
const slots: (ParsedSignature | undefined)[] = Array.from({ length: SLOT_COUNT }, () => undefined);

/** The empty signature. */
export const EMPTY_SIGNATURE = new ParsedSignature('');

/** The signature in these bytes, or undefined when it is not valid (`signatureFault` tells why). */
export function lookupSignature(
  bytes: Uint8Array,
  offset: number,
  length: number,
): ParsedSignature | undefined {
  if (length === 0) return EMPTY_SIGNATURE;
  if (length > SIGNATURE_MAX_LENGTH) return undefined;
  let hash = 0x811c9dc5; /* FNV-1a */
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ bytes[offset + i], 0x01000193);
  const slot = (hash ^ (hash >>> 16)) & (SLOT_COUNT - 1);
  const candidate = slots[slot];
  if (candidate !== undefined && hasBytes(candidate.text, bytes, offset, length)) return candidate;
  if (signatureFault(bytes, offset, length) !== 0) return undefined;
  const text = String.fromCharCode(...bytes.slice(offset, offset + length));
  const parsed = new ParsedSignature(text);
  slots[slot] = parsed;
  return parsed;
}

function hasBytes(text: string, bytes: Uint8Array, offset: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(i) !== bytes[offset + i]) return false;
  }
  return true;
}

const scratch = new Uint8Array(SIGNATURE_MAX_LENGTH);

/** Like `lookupSignature`, for text. */
export function parseSignatureText(text: string): ParsedSignature | undefined {
  if (text.length > SIGNATURE_MAX_LENGTH) return undefined;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    scratch[i] = character < 0x80 ? character : 0; /* 0 is no type code */
  }
  return lookupSignature(scratch, 0, text.length);
}

/** The types of a signature. Throws a {@link WireError} when it is not valid. */
export function signatureTypes(text: string): readonly CompleteType[] {
  const parsed = parseSignatureText(text);
  if (parsed !== undefined) return parsed.types;
  const bytes = Buffer.from(text, 'utf8');
  throw new WireError(signatureFault(bytes, 0, bytes.length), `signature '${text}'`);
}

/** The type of a signature that has to be a single complete type, as a variant's. @throws WireError when it is not */
export function singleType(text: string): CompleteType {
  const types = signatureTypes(text);
  const [type] = types;
  if (type !== undefined && types.length === 1) return type;
  throw new WireError(WireFault.SignatureNotSingle, `'${text}'`);
}

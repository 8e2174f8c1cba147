import { NAME_MAX_LENGTH } from './limits.js';
import { signatureFault } from './signature-syntax.js';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A connection's own name, such as `:1.42`. */
export type UniqueName = Branded<'UniqueName'>;
/** A name that a connection can ask for, such as `org.example.Service`. */
export type WellKnownName = Branded<'WellKnownName'>;
export type BusName = UniqueName | WellKnownName;
export type InterfaceName = Branded<'InterfaceName'>;
export type MemberName = Branded<'MemberName'>;
export type ErrorName = Branded<'ErrorName'>;
export type ObjectPath = Branded<'ObjectPath'>;
export type Signature = Branded<'Signature'>;

const COLON = 0x3a;
const DOT = 0x2e;
const SLASH = 0x2f;

/* What a byte may be: D-Bus Specification, "Valid Names". */
const INITIAL = 1; /* starts an element of an interface, error or member name */
const INNER = 2; /* any other place of such an element */
const BUS_INITIAL = 4; /* the same for bus names, which also have '-' */
const BUS_INNER = 8;

const CLASSES = byteClasses();

function byteClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  const mark = (characters: string, classBits: number): void => {
    for (const character of characters) classes[character.charCodeAt(0)] = classBits;
  };
  mark('ABCDEFGHIJKLMNOPQRSTUVWXYZ', INITIAL | INNER | BUS_INITIAL | BUS_INNER);
  mark('abcdefghijklmnopqrstuvwxyz_', INITIAL | INNER | BUS_INITIAL | BUS_INNER);
  mark('0123456789', INNER | BUS_INNER);
  mark('-', BUS_INITIAL | BUS_INNER);
  return classes;
}

/** Whether the bytes are two or more elements with dots between them. */
function isDottedName(
  bytes: Uint8Array,
  offset: number,
  length: number,
  initial: number,
  inner: number,
): boolean {
  if (length > NAME_MAX_LENGTH) return false;
  const end = offset + length;
  let wanted = initial;
  let dotted = false;
  for (let i = offset; i < end; i++) {
    const byte = bytes[i];
    if ((CLASSES[byte] & wanted) !== 0) {
      wanted = inner;
    } else if (byte === DOT && wanted === inner) {
      wanted = initial;
      dotted = true;
    } else {
      return false;
    }
  }
  return dotted && wanted === inner;
}

/**
 * The part of a unique name after the colon. The reference implementation accepts more than the
 * specification allows (":" alone, no dot, a leading dot), and names of other buses must pass here.
 */
function isUniqueNameTail(bytes: Uint8Array, offset: number, end: number): boolean {
  let afterDot = false;
  for (let i = offset; i < end; i++) {
    const byte = bytes[i];
    if ((CLASSES[byte] & BUS_INNER) !== 0) {
      afterDot = false;
    } else if (byte === DOT && !afterDot) {
      afterDot = true;
    } else {
      return false;
    }
  }
  return !afterDot;
}

/** "Bus names", unique or well-known. */
export function isBusNameBytes(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length > 0 && bytes[offset] === COLON) {
    return length <= NAME_MAX_LENGTH && isUniqueNameTail(bytes, offset + 1, offset + length);
  }
  return isDottedName(bytes, offset, length, BUS_INITIAL, BUS_INNER);
}

/** "Interface names". */
export function isInterfaceBytes(bytes: Uint8Array, offset: number, length: number): boolean {
  return isDottedName(bytes, offset, length, INITIAL, INNER);
}

/** "Error names" follow the rules of interface names. */
export function isErrorNameBytes(bytes: Uint8Array, offset: number, length: number): boolean {
  return isDottedName(bytes, offset, length, INITIAL, INNER);
}

/** "Member names". */
export function isMemberBytes(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length === 0 || length > NAME_MAX_LENGTH) return false;
  if ((CLASSES[bytes[offset]] & INITIAL) === 0) return false;
  const end = offset + length;
  for (let i = offset + 1; i < end; i++) {
    if ((CLASSES[bytes[i]] & INNER) === 0) return false;
  }
  return true;
}

/** "Valid Object Paths". */
export function isObjectPathBytes(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length === 0 || bytes[offset] !== SLASH) return false;
  const end = offset + length;
  let afterSlash = true;
  for (let i = offset + 1; i < end; i++) {
    const byte = bytes[i];
    if ((CLASSES[byte] & INNER) !== 0) {
      afterSlash = false;
    } else if (byte === SLASH && !afterSlash) {
      afterSlash = true;
    } else {
      return false;
    }
  }
  return !afterSlash || length === 1;
}

/** Whether a bus name belongs to one connection for good. */
export function isUniqueName(name: BusName): name is UniqueName {
  return name.charCodeAt(0) === COLON;
}

type ByteValidator = (bytes: Uint8Array, offset: number, length: number) => boolean;

/** Characters beyond ASCII become bytes that every validator refuses. */
function passes(text: string, validator: ByteValidator): boolean {
  const bytes = Buffer.from(text, 'utf8');
  return validator(bytes, 0, bytes.length);
}

const isBusName = (text: string): text is BusName => passes(text, isBusNameBytes);
const isInterfaceName = (text: string): text is InterfaceName => passes(text, isInterfaceBytes);
const isMemberName = (text: string): text is MemberName => passes(text, isMemberBytes);
const isErrorName = (text: string): text is ErrorName => passes(text, isErrorNameBytes);
const isObjectPath = (text: string): text is ObjectPath => passes(text, isObjectPathBytes);
const isSignature = (text: string): text is Signature =>
  passes(text, (bytes, offset, length) => signatureFault(bytes, offset, length) === 0);

/** The name, or undefined when it is not a valid bus name. */
export function parseBusName(text: string): BusName | undefined {
  return isBusName(text) ? text : undefined;
}

/** The name, or undefined when it is not a valid unique name. */
export function parseUniqueName(text: string): UniqueName | undefined {
  const name = parseBusName(text);
  return name !== undefined && isUniqueName(name) ? name : undefined;
}

/** The name, or undefined when it is not a valid bus name, or is a unique one. */
export function parseWellKnownName(text: string): WellKnownName | undefined {
  const name = parseBusName(text);
  return name !== undefined && !isUniqueName(name) ? name : undefined;
}

/** The name, or undefined when it is not a valid interface name. */
export function parseInterfaceName(text: string): InterfaceName | undefined {
  return isInterfaceName(text) ? text : undefined;
}

/** The name, or undefined when it is not a valid member name. */
export function parseMemberName(text: string): MemberName | undefined {
  return isMemberName(text) ? text : undefined;
}

/** The name, or undefined when it is not a valid error name. */
export function parseErrorName(text: string): ErrorName | undefined {
  return isErrorName(text) ? text : undefined;
}

/** The path, or undefined when it is not a valid object path. */
export function parseObjectPath(text: string): ObjectPath | undefined {
  return isObjectPath(text) ? text : undefined;
}

/** The signature (any number of complete types), or undefined when it is not valid. */
export function parseSignature(text: string): Signature | undefined {
  return isSignature(text) ? text : undefined;
}

import { WireFault } from './faults.js';
import { ARRAY_DEPTH_MAX, SIGNATURE_MAX_LENGTH, STRUCT_DEPTH_MAX } from './limits.js';
import { TypeCode } from './types.js';

/* Grammar of signatures: D-Bus Specification, "Type System". Nothing here allocates. */

const NOT_A_TYPE = 0;
const BASIC = 1;
const VARIANT = 2;
const ARRAY = 3;
const STRUCT = 4;
const DICT_ENTRY = 5;
const CLOSING = 6;

const KINDS = typeKinds();

function typeKinds(): Uint8Array {
  const kinds = new Uint8Array(256);
  for (const basic of 'ybnqiuxtdhsog') kinds[basic.charCodeAt(0)] = BASIC;
  kinds[TypeCode.Variant] = VARIANT;
  kinds[TypeCode.Array] = ARRAY;
  kinds[TypeCode.StructBegin] = STRUCT;
  kinds[TypeCode.DictEntryBegin] = DICT_ENTRY;
  kinds[TypeCode.StructEnd] = CLOSING;
  kinds[TypeCode.DictEntryEnd] = CLOSING;
  return kinds;
}

/** 0 when the bytes are any number of complete types, else a {@link WireFault}. */
export function signatureFault(bytes: Uint8Array, offset: number, length: number): number {
  if (length > SIGNATURE_MAX_LENGTH) return WireFault.SignatureTooLong;
  const end = offset + length;
  let position = offset;
  while (position < end) {
    position = skipCompleteType(bytes, position, end, 0, 0);
    if (position < 0) return -position;
  }
  return 0;
}

/**
 * The position after one complete type, or a negated {@link WireFault}.
 * `structs` and `dicts` count the brackets that are open.
 */
function skipCompleteType(
  bytes: Uint8Array,
  start: number,
  end: number,
  structs: number,
  dicts: number,
): number {
  let position = start;
  while (position < end && bytes[position] === TypeCode.Array) position++;
  const arrays = position - start;
  if (arrays > ARRAY_DEPTH_MAX) return -WireFault.SignatureArrayDepth;
  if (position >= end) return -WireFault.SignatureArrayElement;
  switch (KINDS[bytes[position]]) {
    case BASIC:
    case VARIANT:
      return position + 1;
    case STRUCT:
      if (structs === STRUCT_DEPTH_MAX) return -WireFault.SignatureStructDepth;
      return skipStructFields(bytes, position + 1, end, structs + 1, dicts);
    case DICT_ENTRY:
      if (arrays === 0) return -WireFault.SignatureDictEntry;
      if (dicts === STRUCT_DEPTH_MAX) return -WireFault.SignatureDictDepth;
      return skipDictEntryFields(bytes, position + 1, end, structs, dicts + 1);
    case CLOSING:
      return arrays > 0 ? -WireFault.SignatureArrayElement : -WireFault.SignatureUnbalanced;
    case NOT_A_TYPE:
    default:
      return -WireFault.SignatureTypeCode;
  }
}

function skipStructFields(
  bytes: Uint8Array,
  start: number,
  end: number,
  structs: number,
  dicts: number,
): number {
  let position = start;
  while (position < end && bytes[position] !== TypeCode.StructEnd) {
    position = skipCompleteType(bytes, position, end, structs, dicts);
    if (position < 0) return position;
  }
  if (position >= end) return -WireFault.SignatureUnbalanced;
  return position === start ? -WireFault.SignatureStructEmpty : position + 1;
}

function skipDictEntryFields(
  bytes: Uint8Array,
  start: number,
  end: number,
  structs: number,
  dicts: number,
): number {
  if (start >= end) return -WireFault.SignatureUnbalanced;
  const keyKind = KINDS[bytes[start]];
  if (keyKind === CLOSING) return -WireFault.SignatureDictEntry;
  if (keyKind !== BASIC) return -WireFault.SignatureDictKey;
  if (start + 1 >= end) return -WireFault.SignatureUnbalanced;
  if (bytes[start + 1] === TypeCode.DictEntryEnd) return -WireFault.SignatureDictEntry;
  const position = skipCompleteType(bytes, start + 1, end, structs, dicts);
  if (position < 0) return position;
  if (position >= end) return -WireFault.SignatureUnbalanced;
  return bytes[position] === TypeCode.DictEntryEnd ? position + 1 : -WireFault.SignatureDictEntry;
}

import { TypeCode } from '#bridge/wire/types.js';
import { parseSignatureText } from '#bridge/wire/signature.js';

/** Represents `ay` among the codes of a flat signature. */
export const BYTE_ARRAY = TypeCode.Array;

const NOT_FLAT: readonly number[] = [
  TypeCode.Array,
  TypeCode.StructBegin,
  TypeCode.DictEntryBegin,
  TypeCode.Variant,
  TypeCode.Signature,
];

/** Signatures that are remembered. */
const SIGNATURES_MAX = 1024;
const known = new Map<string, Uint8Array | null>();
/** the signature of the last call, which is mostly that of the next one, too */
let lastSignature = '';
let lastCodes: Uint8Array | null = new Uint8Array(0);

/**
 * The type codes of a signature without containers other than `ay`: most bodies have one, and need no walk over
 * types. Null for all others, and for an invalid signature.
 */
// hot
export function flatCodes(signature: string): Uint8Array | null {
  if (signature !== lastSignature) {
    lastCodes = codesOf(signature);
    lastSignature = signature;
  }
  return lastCodes;
}

function codesOf(signature: string): Uint8Array | null {
  let codes = known.get(signature);
  if (codes === undefined) {
    if (known.size >= SIGNATURES_MAX) known.clear();
    codes = compile(signature);
    known.set(signature, codes);
  }
  return codes;
}

function compile(signature: string): Uint8Array | null {
  const types = parseSignatureText(signature)?.types;
  if (types === undefined) return null;
  const isFlat = types.every(({ code, text }) => text === 'ay' || !NOT_FLAT.includes(code));
  return isFlat ? Uint8Array.from(types, ({ code }) => code) : null;
}

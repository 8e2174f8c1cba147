import { signatureTypes, type CompleteType } from './signature.js';
import { TypeCode, Variant } from './types.js';

/*
 * Signatures as types: what `decodeBody` makes of a body is known to the compiler once the signature has been compared
 * with a literal. Structs are left out: nothing that is read by its signature has any.
 */

interface Basic {
  y: number;
  b: boolean;
  n: number;
  q: number;
  i: number;
  u: number;
  x: bigint;
  t: bigint;
  d: number;
  s: string;
  o: string;
  g: string;
  h: number;
  v: Variant;
}

/** The JavaScript type of the first complete type, and the rest of the signature. */
type First<S> = S extends `${infer Code extends keyof Basic}${infer Rest}`
  ? [Basic[Code], Rest]
  : S extends `ay${infer Rest}`
    ? [Uint8Array, Rest]
    : S extends `a{${infer Key extends keyof Basic}${infer Entry}`
      ? First<Entry> extends [infer Value, `}${infer Rest}`]
        ? [ReadonlyMap<Basic[Key], Value>, Rest]
        : never
      : S extends `a${infer Element}`
        ? First<Element> extends [infer Value, infer Rest]
          ? [readonly Value[], Rest]
          : never
        : never;

/** The values of a body with the signature `S`. Any values, where the signature is known at run time only. */
export type Values<S extends string> = string extends S
  ? readonly unknown[]
  : S extends ''
    ? readonly []
    : First<S> extends [infer Value, infer Rest extends string]
      ? readonly [Value, ...Values<Rest>]
      : never;

/** The value of a single complete type. */
export type Value<S extends string> = Values<S>[0];

/** A decoded message. */
interface Decoded {
  readonly signature?: string | undefined;
  readonly body: readonly unknown[];
}

/** Whether the message has this signature, and so a body of these types. */
export function hasSignature<M extends Decoded, S extends string>(
  message: M,
  signature: S,
): message is M & { readonly body: Values<S> } {
  return (message.signature ?? '') === signature;
}

/** The body, if it has this signature. */
export function bodyOf<S extends string>(message: Decoded, signature: S): Values<S> | undefined {
  return hasSignature(message, signature) ? message.body : undefined;
}

/** The value in a variant, if it has this type. */
export function valueOf<S extends string>(
  variant: Variant | undefined,
  type: S,
): Value<S> | undefined {
  return variant !== undefined && isOfType(variant, type) ? variant.value : undefined;
}

function isOfType<S extends string>(variant: Variant, type: S): variant is Variant<Value<S>> {
  return variant.signature === type;
}

/** Whether values have these types, for a body whose signature is not at hand. */
export function isBody<S extends string>(
  body: readonly unknown[],
  signature: S,
): body is Values<S> {
  const types = signatureTypes(signature);
  return types.length === body.length && types.every((type, i) => fits(type, body[i]));
}

/** Whether `value` is what a value of this type is decoded to. */
function fits(type: CompleteType, value: unknown): boolean {
  switch (type.code) {
    case TypeCode.String:
    case TypeCode.ObjectPath:
    case TypeCode.Signature:
      return typeof value === 'string';
    case TypeCode.Boolean:
      return typeof value === 'boolean';
    case TypeCode.Int64:
    case TypeCode.UInt64:
      return typeof value === 'bigint';
    case TypeCode.Variant:
      return value instanceof Variant;
    case TypeCode.Array:
      return isArrayOf(type.element, value);
    default:
      return typeof value === 'number';
  }
}

function isArrayOf(element: CompleteType, value: unknown): boolean {
  if (element.code === TypeCode.Byte) return value instanceof Uint8Array;
  if (element.code !== TypeCode.DictEntryBegin) {
    return Array.isArray(value) && value.every((each) => fits(element, each));
  }
  if (!(value instanceof Map)) return false;
  return [...value].every(([key, each]) => fits(element.key, key) && fits(element.value, each));
}

/** The body, which has to have these types. @throws TypeError when it has others */
export function typedBody<S extends string>(body: readonly unknown[], signature: S): Values<S> {
  if (isBody(body, signature)) return body;
  throw new TypeError(`the reply is not of the type '${signature}'`);
}

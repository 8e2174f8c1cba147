import { singleType, type CompleteType } from '#bridge/wire/signature.js';
import { TypeCode, Variant } from '#bridge/wire/types.js';

/**
 * Whether a body of this signature can contain values that refer to something beside the bytes: `o`, `h`, variants.
 */
export function mayRefer(signature: string): boolean {
  return /[ohv]/.test(signature);
}

/** Returns what replaces one value of type `o` or `h`. */
export type Replacement = (code: number, value: unknown) => unknown;

/** A copy of a body in which each value of type `o` and `h`, at any depth, is replaced. */
export function replaceReferences(
  types: readonly CompleteType[],
  values: readonly unknown[],
  replacement: Replacement,
): unknown[] {
  return values.map((value, i) => {
    const type = types[i];
    return type === undefined ? value : replace(type, value, replacement);
  });
}

/** A value that is not of its type is left as it is: marshalling reports what is wrong. */
function replace(type: CompleteType, value: unknown, replacement: Replacement): unknown {
  if (type.code === TypeCode.ObjectPath || type.code === TypeCode.UnixFd) {
    return replacement(type.code, value);
  }
  if (type.code === TypeCode.Variant) {
    if (!(value instanceof Variant) || !mayRefer(value.signature)) return value;
    const inner = singleType(value.signature);
    return new Variant(value.signature, replace(inner, value.value, replacement));
  }
  if (!mayRefer(type.text)) return value;
  if (value instanceof Map) {
    const { element } = type;
    const pairs = Array.from(value, ([key, entry]): [unknown, unknown] => [
      replace(element.key, key, replacement),
      replace(element.value, entry, replacement),
    ]);
    return new Map(pairs);
  }
  if (!Array.isArray(value)) return value;
  const isStruct = type.code === TypeCode.StructBegin;
  return value.map((element, i) =>
    replace(type.children[isStruct ? i : 0] ?? type, element, replacement),
  );
}

/*
 * A place says where in the body of a message something stands: the index of an argument, then
 * steps into its value, with dots between: `0`, `1.each.4`, `0.keys`, `0.each.State`.
 */

export type Step =
  /** Every element of an array, or every value of a dictionary. */
  | { readonly take: 'each' }
  /** Every key of a dictionary. */
  | { readonly take: 'keys' }
  /** One field of a structure, counted from 0. */
  | { readonly take: 'field'; readonly index: number }
  /** The value that a dictionary has for a key. */
  | { readonly take: 'entry'; readonly key: string };

/** The steps that lead to a value; the first one of a place in a body is the argument's index. */
export type Place = readonly Step[];

const NUMBER = /^\d{1,2}$/;
const KEY = /^[\w:-]+$/;

/** The place, or undefined when the text is not a valid place. The empty text is the value itself. */
export function parsePlace(text: string): Place | undefined {
  if (text === '') return [];
  const steps = text.split('.').map((word) => parseStep(word));
  return steps.every((step) => step !== undefined) ? steps : undefined;
}

function parseStep(word: string): Step | undefined {
  if (word === 'each' || word === 'keys') return { take: word };
  if (NUMBER.test(word)) return { take: 'field', index: Number(word) };
  return KEY.test(word) ? { take: 'entry', key: word } : undefined;
}

/** A D-Bus variant as the wire folder has it. */
interface VariantLike {
  readonly signature: string;
  readonly value: unknown;
}

function isVariant(value: unknown): value is VariantLike {
  return typeof value === 'object' && value !== null && 'signature' in value && 'value' in value;
}

/**
 * A copy of `value` in which `change` has been applied to the value at the place; where it
 * has no such place, it is unchanged. Arrays and structures are JavaScript arrays, dictionaries
 * are maps. Variants on the way are unpacked and keep their class. They keep their signature as well,
 * except that a changed string becomes a path: portals name sessions by strings.
 */
export function changeAt(
  value: unknown,
  place: Place,
  change: (value: unknown) => unknown,
): unknown {
  if (isVariant(value)) return changeVariant(value, (inner) => changeAt(inner, place, change));
  const [step, ...rest] = place;
  if (step === undefined) return change(value);
  const next = (inner: unknown): unknown => changeAt(inner, rest, change);
  if (Array.isArray(value)) return changeArray(value, step, next);
  return value instanceof Map ? changeMap(value, step, next) : value;
}

type Change = (value: unknown) => unknown;

/** The same variant with another value of the same type; a string that is changed becomes a path. */
export function changeVariant(variant: unknown, change: Change): unknown {
  if (!isVariant(variant)) return change(variant);
  const prototype: object | null = Object.getPrototypeOf(variant);
  const copy: object = Object.create(prototype);
  const value = change(variant.value);
  const isNamed = variant.signature === 's' && value !== variant.value;
  return Object.assign(copy, variant, { value, signature: isNamed ? 'o' : variant.signature });
}

function changeArray(values: readonly unknown[], step: Step, change: Change): unknown[] {
  if (step.take === 'each') return values.map((value) => change(value));
  if (step.take !== 'field' || step.index >= values.length) return [...values];
  return values.with(step.index, change(values[step.index]));
}

function changeMap(
  values: ReadonlyMap<unknown, unknown>,
  step: Step,
  change: Change,
): Map<unknown, unknown> {
  const isMeant = (key: unknown): boolean =>
    step.take === 'each' ||
    (step.take === 'entry' && key === step.key) ||
    (step.take === 'field' && key === String(step.index));
  return new Map(
    [...values].map(([key, value]) =>
      step.take === 'keys' ? [change(key), value] : [key, isMeant(key) ? change(value) : value],
    ),
  );
}

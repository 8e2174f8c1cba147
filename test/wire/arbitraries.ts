import * as fc from 'fast-check';
import type { CompleteType } from '#bridge/wire/signature.js';
import { signatureTypes } from '#bridge/wire/signature.js';
import { Variant } from '#bridge/wire/types.js';

/** Of all random tests. fast-check prints it with a failure; WIRE_SEED repeats that run. */
export const SEED = Number(process.env.WIRE_SEED ?? Date.now() % 0x7fffffff);

const basicType = fc.constantFrom(...'ybnqiuxtdhsog'.split(''));

/** Signatures of one complete type. */
export const completeTypeText: fc.Arbitrary<string> = fc.letrec<{ type: string }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    basicType,
    fc.constant('v'),
    tie('type').map((element) => `a${element}`),
    fc.tuple(basicType, tie('type')).map(([key, value]) => `a{${key}${value}}`),
    fc.array(tie('type'), { minLength: 1, maxLength: 3 }).map((fields) => `(${fields.join('')})`),
  ),
})).type;

export const objectPath = fc
  .array(fc.stringMatching(/^[A-Za-z0-9_]{1,5}$/), { maxLength: 3 })
  .map((elements) => `/${elements.join('/')}`);

const text = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .map((value) => value.replaceAll('\0', ''));

const INTEGERS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  y: fc.integer({ min: 0, max: 255 }),
  n: fc.integer({ min: -0x8000, max: 0x7fff }),
  q: fc.integer({ min: 0, max: 0xffff }),
  i: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  u: fc.integer({ min: 0, max: 0xffffffff }),
  h: fc.integer({ min: 0, max: 0xffffffff }),
  x: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  t: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
};

/** Values of a type. `depth` bounds what variants add. */
export function valueOf(type: CompleteType, depth = 0): fc.Arbitrary<unknown> {
  const code = type.text[0];
  switch (code) {
    case 'b':
      return fc.boolean();
    case 'd':
      return fc.double({ noNaN: true });
    case 's':
      return text;
    case 'o':
      return objectPath;
    case 'g':
      return completeTypeText;
    case 'v':
      return variant(depth + 1);
    case '(':
      return fc.tuple(...type.children.map((field) => valueOf(field, depth)));
    case 'a':
      return arrayOf(type.children[0], depth);
    default:
      return INTEGERS[code];
  }
}

function arrayOf(element: CompleteType, depth: number): fc.Arbitrary<unknown> {
  if (element.text === 'y') return fc.uint8Array({ maxLength: 9 });
  if (element.text.startsWith('{')) {
    const [key, value] = element.children;
    const entry = fc.tuple(valueOf(key, depth), valueOf(value, depth));
    return fc.array(entry, { maxLength: 3 }).map((entries) => new Map(entries));
  }
  return fc.array(valueOf(element, depth), { maxLength: 3 });
}

function variant(depth: number): fc.Arbitrary<Variant> {
  const signature = depth > 2 ? basicType : completeTypeText;
  return signature.chain((inner) =>
    valueOf(typeOf(inner), depth).map((value) => new Variant(inner, value)),
  );
}

/** The type of a signature that is known to be one complete type. */
export function typeOf(signature: string): CompleteType {
  const [type, ...others] = signatureTypes(signature);
  if (others.length > 0) throw new Error(`not one complete type: ${signature}`);
  return type;
}

/** A signature of up to four types, with values for it. */
export const body: fc.Arbitrary<{ signature: string; values: unknown[] }> = fc
  .array(completeTypeText, { maxLength: 4 })
  .chain((types) =>
    fc
      .tuple(...types.map((type) => valueOf(typeOf(type))))
      .map((values) => ({ signature: types.join(''), values })),
  );

/**
 * The JavaScript types of D-Bus signatures, worked out by the compiler from the text of the signature:
 * a second opinion on what the generator writes. Compiled by the tests together with its modules.
 */
export const WIRE_TYPES = `
import type { FileDescriptor, ObjectReference, Variant } from 'bus1-bridge';

interface Basic {
  y: number; n: number; q: number; i: number; u: number; d: number;
  b: boolean; x: bigint; t: bigint; s: string; g: string;
  h: FileDescriptor; o: ObjectReference; v: Variant;
}

/** The first complete type, and the rest of the signature. */
type First<S> =
  S extends \`ay\${infer Rest}\` ? [Uint8Array, Rest]
  : S extends \`a{\${infer Key extends keyof Basic}\${infer Inside}\`
    ? First<Inside> extends [infer Value, \`}\${infer Rest}\`] ? [Map<Basic[Key], Value>, Rest] : never
  : S extends \`a\${infer Inside}\`
    ? First<Inside> extends [infer Element, infer Rest] ? [Element[], Rest] : never
  : S extends \`(\${infer Inside}\` ? Fields<Inside, []>
  : S extends \`\${infer Code extends keyof Basic}\${infer Rest}\` ? [Basic[Code], Rest]
  : never;

type Fields<S, Before extends unknown[]> =
  S extends \`)\${infer Rest}\` ? [Before, Rest]
  : First<S> extends [infer Field, infer Rest] ? Fields<Rest, [...Before, Field]>
  : never;

/** The values of a whole signature. */
export type Values<S> = Fields<\`\${S & string})\`, []> extends [infer All, ''] ? All : never;

/** What a method returns. */
export type Result<S> =
  Values<S> extends [] ? void : Values<S> extends [infer Only] ? Only : Values<S>;

export type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
`;

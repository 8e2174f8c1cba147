import * as fc from 'fast-check';
import type { IntrospectedInterface, Method } from '#bridge/introspection/introspection.js';
import { completeTypeText } from '../wire/arbitraries.js';

/** Names that mean something to JavaScript, to TypeScript or to the generator. */
const TREACHEROUS_MEMBERS =
  `__proto__ constructor prototype toString valueOf hasOwnProperty then new get set async readonly
  static declare class default undefined NaN _ _1 in_`.split(/\s+/);
const TREACHEROUS_ELEMENTS =
  `Map Variant ReadOnly Uint8Array Promise Error InterfaceDescription undefined
  class _ __ _1 a_b aB AB AMethods A a`.split(/\s+/);
const TREACHEROUS_TEXTS = [
  '',
  ...'this arguments eval await type a-b 1 options */ " \' \\ ${x} größe 名前 __proto__'.split(' '),
  'a b',
  '`',
  '\n',
  '\u2028',
  '\u202e',
  '\u{10400}',
];

const element = fc.oneof(
  fc.constantFrom(...TREACHEROUS_ELEMENTS),
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/),
);
const interfaceName = fc.oneof(
  fc.array(element, { minLength: 2, maxLength: 4 }).map((elements) => elements.join('.')),
  fc.constant(`a.${'b'.repeat(253)}`),
);
const memberName = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...TREACHEROUS_MEMBERS) },
  { weight: 3, arbitrary: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/) },
  { weight: 1, arbitrary: fc.constant('M'.repeat(255)) },
);
const text = fc.oneof(
  fc.constantFrom(...TREACHEROUS_TEXTS),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const args = fc.array(fc.record({ name: text, type: completeTypeText }), { maxLength: 5 });
const annotations = fc
  .dictionary(
    fc.constantFrom(
      'org.freedesktop.DBus.Deprecated',
      'org.freedesktop.DBus.Method.NoReply',
      'org.freedesktop.DBus.Property.EmitsChangedSignal',
      'org.gtk.GDBus.DocString',
      'org.gtk.GDBus.Since',
      'org.example.Unknown',
    ),
    fc.oneof(fc.constantFrom('true', 'false', 'const', 'invalidates'), text),
  )
  .map((entries) => new Map(Object.entries(entries)));

const method: fc.Arbitrary<Method> = fc.record({
  name: memberName,
  in: args,
  out: args,
  annotations,
});
const signal = fc.record({ name: memberName, args, annotations });
const property = fc.record({
  name: fc.oneof(
    memberName,
    text.filter((name) => name !== ''),
  ),
  type: completeTypeText,
  access: fc.constantFrom('read', 'write', 'readwrite'),
  annotations,
});

function members<T extends { name: string }>(member: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.uniqueArray(member, { maxLength: 6, selector: ({ name }) => name });
}

const oneInterface: fc.Arbitrary<IntrospectedInterface> = fc.record({
  name: interfaceName,
  methods: members(method),
  signals: members(signal),
  properties: members(property),
  annotations,
});

/** Whatever introspection may legally say, and some more: interfaces of different names. */
export const randomInterfaces: fc.Arbitrary<IntrospectedInterface[]> = fc.uniqueArray(
  oneInterface,
  {
    minLength: 1,
    maxLength: 5,
    selector: ({ name }) => name,
  },
);

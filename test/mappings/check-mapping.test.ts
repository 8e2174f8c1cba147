// What a mapping says is held against introspection data.
import { expect, test } from 'vitest';
import { checkMapping } from '#bridge/introspection/check-mapping.js';
import { checkObjects } from '#bridge/introspection/check-objects.js';
import { parseIntrospection } from '#bridge/introspection/introspection.js';
import { interfacesIn } from '#bridge/introspection/known-interfaces.js';
import { formatDiagnostic } from '#mappings/index.js';
import { mappingOf } from './mapping-text.js';

const node = parseIntrospection(`<node>
  <interface name="org.example.Things">
    <method name="Find"><arg type="s"/><arg type="o" direction="out"/></method>
    <method name="Table"><arg type="a(sao)" direction="out"/></method>
    <method name="Index"><arg type="a{s(oa{ou})}" direction="out"/></method>
    <method name="Options"><arg type="a{sv}"/></method>
    <method name="Refer"><arg type="(so)" direction="out"/></method>
    <method name="Close"><arg type="u"/></method>
    <signal name="Gone"><arg type="s"/><arg type="o"/></signal>
    <property name="Current" type="(so)" access="read"/>
  </interface>
</node>`);
const known = interfacesIn([node]);

const HEAD = `service: Things
bus: session
names: { org.example.Things: root }
objects:
  root: { path: /things, interfaces: [org.example.Things] }
`;

/** A mapping of the interface, in which line 8 is the one that matters. */
function check(section: string, isComplete = true): string[] {
  const text = `${HEAD}interfaces:\n  org.example.Things:\n    ${section}`;
  return checkMapping(mappingOf(text), known, { isComplete }).map((one) => formatDiagnostic(one));
}

test.each([
  'methods: { Find: { out: { 0: root } } }',
  'methods: { Table: { out: { 0.each.1.each: root } } }',
  'methods: { Index: { out: { 0.each.0: root, 0.each.1.keys: root, 0.some-key.0: root } } }',
  'methods: { Options: { in: { 0.parent: root, 0.all.each.1: root } } }',
  'methods: { Refer: { out: { 0: root, 0.1: root } } }',
  'signals: { Gone: { args: { 1: root }, ends: 1 } }',
  'properties: { Current: { 1: root } }',
  'properties: { Current: root }',
  'leave_out: [Find, Gone, Current]',
])('%s: right', (section) => {
  expect(check(section)).toEqual([]);
});

test.each([
  [
    'methods: { Fin: {} }',
    '16: org.example.Things has no method Fin; did you mean Find? [error, not-introspected]',
  ],
  ['signals: { Find: {} }', '16: org.example.Things has no signal Find [error, not-introspected]'],
  ['leave_out: [Debug]', '7:3: org.example.Things has no member Debug [error, not-introspected]'],
  [
    'methods: { Find: { in: { 0: root } } }',
    '30: argument 0: in a value of type s that is s, not an object path [error, wrong-type]',
  ],
  [
    'methods: { Find: { out: { 1: root } } }',
    '31: result 1: there are only 1, counted from 0 [error, wrong-type]',
  ],
  [
    'methods: { Table: { out: { 0.each.0: root } } }',
    'result 0.each.0: in a value of type a(sao) that is s, not an object path [error, wrong-type]',
  ],
  [
    'methods: { Table: { out: { 0.each.1: root } } }',
    'that is ao, not an object path [error, wrong-type]',
  ],
  ['methods: { Table: { out: { 0.keys: root } } }', 'that is no such place [error, wrong-type]'],
  [
    'methods: { Index: { out: { 0.keys: root } } }',
    'that is s, not an object path [error, wrong-type]',
  ],
  [
    'signals: { Gone: { ends: 0 } }',
    'ends: in a value of type s that is s, not an object path [error, wrong-type]',
  ],
  [
    'properties: { Current: { 0: root } }',
    'Current at 0: in a value of type (so) that is s, not an object path [error, wrong-type]',
  ],
])('%s: wrong', (section, expected) => {
  expect(check(section)).toEqual([expect.stringContaining(expected)]);
});

test('what only some versions or objects have is advice where not all is known', () => {
  expect(check('methods: { Fin: {} }', false)).toEqual([
    expect.stringContaining('[advice, not-introspected]'),
  ]);
});

test.each([
  [
    'interfaces: [org.example.Thigs]',
    'the service has no interface org.example.Thigs; did you mean org.example.Things? [error, not-introspected]',
  ],
  [
    'interfaces: [org.example.Things], release: org.example.Things.Close',
    'org.example.Things.Close takes arguments, so it cannot be "release" [error, wrong-type]',
  ],
  [
    'interfaces: [org.example.Things], only: { org.example.Things: [Find, Lose] }',
    'org.example.Things has no member Lose',
  ],
])('an object with %s', (keys, expected) => {
  const mapping = mappingOf(HEAD.replace('interfaces: [org.example.Things]', keys));
  const findings = checkMapping(mapping, known, { isComplete: true });
  expect(findings.map((one) => formatDiagnostic(one))).toEqual([expect.stringContaining(expected)]);
});

test.each([
  ['/things', []],
  [
    '/other',
    [
      '5:3: the mapping has no object with the path /other, where the service has org.example.Things ' +
        '[advice, not-introspected]',
    ],
  ],
])('a service with an object at %s', (path, expected) => {
  const findings = checkObjects(mappingOf(HEAD), [{ path, node }]).map((one) =>
    formatDiagnostic(one),
  );
  expect(findings).toEqual(expected.map((line) => `test.yaml:${line}`));
});

// Reading mapping files: what they say, and how what is wrong with them is reported.
import { describe, expect, test } from 'vitest';
import {
  allowsUplink,
  expandPath,
  findName,
  formatDiagnostic,
  isKept,
  lintMappings,
  matchName,
  matchPath,
  objectFor,
} from '#mappings/index.js';
import { diagnosticsOf, mappingOf } from './mapping-text.js';

const HEAD = 'service: Things\nbus: session\n';
const NAMES = 'names: { org.example.Things: root }\n';
const OBJECTS = 'objects: { root: { path: /org/example, interfaces: [org.example.Things] } }\n';
const GOOD = HEAD + NAMES + OBJECTS;

describe('a mapping file', () => {
  test.each([
    ['service: [', '1:11: malformed YAML: Flow sequence in block collection must be'],
    ['', '1:1: the file: a mapping is expected here, not null [error, malformed]'],
    [
      'service: *x',
      '1:1: malformed YAML: Unresolved alias (the anchor must be set before the alias): x [error, malformed]',
    ],
    [`${GOOD}service: again`, '5:1: malformed YAML: Map keys must be unique [error, malformed]'],
    [HEAD + NAMES, '1:1: objects is missing [error, malformed]'],
    [
      `${GOOD}nmaes: {}`,
      '5:1: there is no key "nmaes" here; did you mean "names"? [error, unknown-key]',
    ],
    [`${GOOD}colour: red`, '5:1: there is no key "colour" here [error, unknown-key]'],
    [
      `${GOOD}direction: sideways`,
      '5:12: direction: ("import" | "export") is expected here, not "sideways" [error, malformed]',
    ],
    [
      `${HEAD}names: { org.example.Things: rot }\n${OBJECTS}`,
      '3:30: "rot" is not among the objects; did you mean "root"? [error, unknown-object]',
    ],
    [
      `${HEAD}names: { Things: root }\n${OBJECTS}`,
      '3:10: "Things" is neither a well-known bus name nor one followed by ".*" [error, bad-name]',
    ],
    [
      `${HEAD}names: { ":1.5": root }\n${OBJECTS}`,
      '3:10: ":1.5" is neither a well-known bus name nor one followed by ".*" [error, bad-name]',
    ],
    [
      `${HEAD}${NAMES}objects: { root: { path: '/a/{b}', interfaces: [] } }`,
      '3:30: org.example.Things must lead to one object, but "root" has many paths [error, bad-path]',
    ],
    [
      `${HEAD}${NAMES}objects: { root: { path: [], interfaces: [] } }`,
      '4:26: objects.root.path: this must not be empty [error, malformed]',
    ],
    [
      `${HEAD}${NAMES}objects: { root: { path: org/x, interfaces: [] } }`,
      '"org/x" does not begin with "/" [error, bad-path]',
    ],
    [
      `${HEAD}${NAMES}objects: { root: { path: /a-b, interfaces: [] } }`,
      '4:26: "a-b" in "/a-b" is not an element of an object path [error, bad-path]',
    ],
    [
      `${HEAD}${NAMES}objects: { root: { path: /a, interfaces: [b] } }`,
      '4:43: "b" is not an interface name [error, bad-name]',
    ],
    [
      `${HEAD}${NAMES}objects: { root: { path: /a, interface: [b.C] } }`,
      '4:30: there is no key "interface" here; did you mean "interfaces"? [error, unknown-key]',
    ],
    [
      `${GOOD}interfaces:\n  org.example.Things:\n    methods: { M: { in: { x: root } } }`,
      '7:27: "x" is not a place in the arguments, such as 0.each.1 [error, bad-place]',
    ],
    [
      `${GOOD}interfaces:\n  org.example.Things:\n    methods: { M: { ins: { 0: root } } }`,
      '7:21: there is no key "ins" here; did you mean "in"? [error, unknown-key]',
    ],
    [
      `${GOOD}interfaces:\n  org.example.Things:\n    methods: { M: { ends: me } }`,
      '7:27: "me" is neither "self" nor a place in the arguments, such as 0 [error, bad-place]',
    ],
    [
      `${GOOD}interfaces:\n  org.example.Things:\n    signals: { S: { kept: yes } }`,
      '7:27: interfaces.org.example.Things.signals.S.kept: ("true" | "false") is expected here',
    ],
    [
      `${GOOD}interfaces:\n  org.example.Things:\n    methods: { M: { kept: true } }`,
      '7:21: there is no key "kept" here [error, unknown-key]',
    ],
    [
      `${GOOD}interfaces:\n  org.example.Things:\n    signals: { S: { ends: 0, kept: true } }`,
      '7:27: "0" is not possible here: a kept signal can end "self" or nothing [error, bad-place]',
    ],
    [
      `${GOOD}interfaces:\n  org.example.Things:\n    methods: { "M.x": {} }`,
      '7:16: "M.x" is not a member name [error, bad-name]',
    ],
    [
      `${GOOD}uplinks: { allow: [uid:1000, everybody] }`,
      '5:30: "everybody" names no client: uid:1000, flatpak:org.example.App,',
    ],
  ])('%j', (text, expected) => {
    expect(diagnosticsOf(text).join('\n')).toContain(expected);
  });

  test('with several errors has them all reported, in their order', () => {
    const text = `${HEAD}names: { Things: root, org.example.A: none }\n${OBJECTS}uplinks: { allow: [x] }`;
    expect(diagnosticsOf(text).map((line) => line.split(':')[1])).toEqual(['3', '3', '5']);
  });

  test('keeps numbers as they are written', () => {
    const mapping = mappingOf(
      `${GOOD}interfaces:\n  org.example.Things:\n    methods: { M: { in: { 0.10: root, 1.0: root } } }`,
    );
    const method = mapping.interfaces.get('org.example.Things')!.methods.get('M')!;
    expect(method.in.map(({ text }) => text)).toEqual(['0.10', '1.0']);
  });

  test('keeps signals that it says are kept', () => {
    const signals =
      '{ A: {}, B: { kept: true }, C: { ends: self, kept: true }, D: { kept: false } }';
    const mapping = mappingOf(`${GOOD}interfaces:\n  org.example.Things:\n    signals: ${signals}`);
    const kept = ['A', 'B', 'C', 'D', 'E'].filter((member) =>
      isKept(mapping, { part: 'signal', interface: 'org.example.Things', member }),
    );
    expect(kept).toEqual(['B', 'C']);
  });

  test('has a direction for all names, or for one', () => {
    const names =
      'names:\n  org.example.A: root\n  org.example.B: { object: root, direction: export }\n';
    const directions = (text: string) => mappingOf(text).names.map(({ direction }) => direction);
    expect(directions(HEAD + names + OBJECTS)).toEqual(['import', 'export']);
    expect(directions(`direction: export\n${HEAD}${names}${OBJECTS}`)).toEqual([
      'export',
      'export',
    ]);
  });

  test('grants uplinks to confined clients by name only', () => {
    const mapping = mappingOf(
      `${GOOD}uplinks: { allow: [uid:1000, flatpak:*, snap:firefox, root:/srv] }`,
    );
    const asked = [
      allowsUplink(mapping, 'uid', '1000'),
      allowsUplink(mapping, 'flatpak', 'org.example.App'),
      allowsUplink(mapping, 'snap', 'firefox'),
      allowsUplink(mapping, 'root', '/srv'),
      allowsUplink(mapping, 'uid', '1001'),
      allowsUplink(mapping, 'snap', 'chromium'),
    ];
    expect(asked).toEqual([true, true, true, true, false, false]);
    expect(allowsUplink(mappingOf(GOOD), 'uid', '0')).toBe(false);
  });
});

describe('names', () => {
  test.each([
    ['org.example.A', 'org.example.A', true],
    ['org.example.A', 'org.example.A.B', false],
    ['org.example.*', 'org.example', true],
    ['org.example.*', 'org.example.A', true],
    ['org.example.*', 'org.example.A.B', true],
    ['org.example.*', 'org.examples', false],
    ['*', 'org.example', true],
    ['*', ':1.5', false],
  ])('%s and %s: %s', (pattern, name, matches) => {
    expect(matchName(pattern, name)).toBe(matches);
  });

  test('follow the most specific pattern of the bus they are on', () => {
    const file = (bus: string, ...patterns: string[]) => {
      const names = patterns.map((pattern) => `${pattern}: root`).join(', ');
      return mappingOf(`service: X\nbus: ${bus}\nnames: { ${names} }\n${OBJECTS}`);
    };
    const mappings = [
      file('session', 'org.example.*', 'org.example.deep.*'),
      file('session', 'org.example.deep.Name'),
      file('[system, session]', 'org.example.deep.Name.Other'),
      file('system', 'org.example.deep.Name'),
    ];
    const found = (name: string) => findName(mappings, 'session', name)?.entry.pattern;
    expect(found('org.example.deep.Name')).toBe('org.example.deep.Name');
    expect(found('org.example.deep.Else')).toBe('org.example.deep.*');
    expect(found('org.example.Else')).toBe('org.example.*');
    expect(found('org.example.deep.Name.Other')).toBe('org.example.deep.Name.Other');
    expect(found('com.example')).toBeUndefined();
    expect(findName(mappings, 'system', 'org.example.deep.Name')?.mapping).toBe(mappings[3]);
  });
});

describe('paths', () => {
  const mapping = mappingOf(`${HEAD}${NAMES}objects:
  root: { path: /org/example, interfaces: [] }
  adapter: { path: '/org/example/{adapter}', interfaces: [] }
  fixed: { path: /org/example/fixed, interfaces: [] }
  device: { path: '/org/example/{adapter}/dev_{address}', interfaces: [] }
  rest: { path: '/org/example/rest/{all...}', interfaces: [] }
  two: { path: ['/one/{id}', '/other/{id}'], interfaces: [] }
  weak: { path: /org/example/weak, interfaces: [], only: { org.example.Things: [M] } }
  agent: { path: '/{agent...}', interfaces: [], owner: caller }
`);

  test.each([
    ['/org/example', 'root', {}],
    ['/org/example/hci0', 'adapter', { adapter: 'hci0' }],
    ['/org/example/fixed', 'fixed', {}],
    ['/org/example/hci0/dev_00_11', 'device', { adapter: 'hci0', address: '00_11' }],
    ['/org/example/rest/a/b/c', 'rest', { all: 'a/b/c' }],
    ['/other/7', 'two', { id: '7' }],
    ['/org/example/weak', 'adapter', { adapter: 'weak' }],
  ])('%s is the path of a %s', (path, name, variables) => {
    const found = objectFor(mapping, path);
    expect([found?.kind.name, found?.variables]).toEqual([name, variables]);
  });

  test.each(['/', '/org', '/org/example/hci0/else', '/org/example/hci0/dev_', '/one/2/3'])(
    '%s is of no kind',
    (path) => {
      expect(objectFor(mapping, path)).toBeUndefined();
    },
  );

  test('are made of the variables again', () => {
    const [pattern] = mapping.objects.get('device')!.paths;
    const path = '/org/example/hci0/dev_00_11';
    expect(expandPath(pattern, matchPath(pattern, path)!)).toBe(path);
    expect(() => expandPath(pattern, { adapter: 'hci0' })).toThrow('address has no value');
  });
});

describe('lint', () => {
  const TWO = `${HEAD}${NAMES}objects:
  root: { path: /a, interfaces: [] }
  x: { path: '/b/{x}', interfaces: [] }
`;
  const lint = (...texts: string[]) =>
    lintMappings(texts.map((text, index) => mappingOf(text, `${index}.yaml`))).map(
      formatDiagnostic,
    );

  test.each([
    ['a good file', [GOOD], []],
    [
      'a name in two files',
      [GOOD, GOOD],
      ['1.yaml:3:10: org.example.Things is mapped at 0.yaml:3 already [error, duplicate-name]'],
    ],
    ['the same name on two buses', [GOOD, GOOD.replace('session', 'system')], []],
    [
      'overlapping names',
      [GOOD, GOOD.replace('example.Things: root', 'example.*: root')],
      [
        '1.yaml:3:10: org.example.* and org.example.Things (0.yaml:3) overlap: a name that both match',
      ],
    ],
    [
      'two kinds with one path',
      [`${TWO}  y: { path: '/b/{y}', interfaces: [] }`],
      [
        '/b/{y} is a path of "x" (line 6), too [error, ambiguous-path]',
        'no name and no place leads to an object "x" [advice, unused-object]',
        'no name and no place leads to an object "y" [advice, unused-object]',
      ],
    ],
    [
      'an object nobody gets',
      [TWO],
      ['0.yaml:6:3: no name and no place leads to an object "x" [advice, unused-object]'],
    ],
    [
      'an interface nobody has',
      [`${GOOD}interfaces: { org.example.Other: {} }`],
      ['0.yaml:5:15: no object has the interface org.example.Other [error, orphan-interface]'],
    ],
    [
      'two members with one name',
      [`${GOOD}interfaces: { org.example.Things: { methods: { A: { as: C }, B: { as: C } } } }`],
      ['0.yaml:5:62: there is another member called C [error, unknown-member]'],
    ],
    [
      'a kept signal of what callers offer',
      [
        `${HEAD}${NAMES}objects:
  root: { path: /a, interfaces: [org.example.Things] }
  agent: { path: '/{agent...}', interfaces: [org.example.Agent], owner: caller }
interfaces:
  org.example.Things: { methods: { A: { in: { 0: agent } } }, signals: { S: { kept: true } } }
  org.example.Agent: { signals: { S: { kept: true } } }`,
      ],
      ['0.yaml:9:35: S is kept, but no object of the service sends it [advice, never-kept]'],
    ],
    [
      'a member left out and described',
      [`${GOOD}interfaces: { org.example.Things: { methods: { A: {} }, leave_out: [A] } }`],
      ['0.yaml:5:48: A is left out, so its entry has no effect [error, unknown-member]'],
    ],
  ])('%s', (_, texts, expected) => {
    const findings = lint(...texts);
    expect(findings).toHaveLength(expected.length);
    for (const [index, line] of expected.entries()) expect(findings[index]).toContain(line);
  });
});

// What a node that stands for an object does with the bodies of messages.
import { describe, expect, test } from 'vitest';
import { Variant } from '#bridge/wire/types.js';
import {
  endedObjects,
  permits,
  toLegacy,
  toLegacyMember,
  toNative,
  toNativeMember,
} from '#mappings/index.js';
import type { MappedMessage, MessagePart } from '#mappings/index.js';
import { mappingOf } from './mapping-text.js';

const mapping = mappingOf(`service: Things
bus: session
names: { org.example.Things: root }
objects:
  root:
    path: /things
    interfaces: [org.example.Things, org.example.Hidden]
    manager: true
  thing:
    path: '/things/{id}'
    interfaces: [org.example.Thing, org.example.Extra]
    release: org.example.Thing.Close
  box: { path: '/boxes/{id}', interfaces: [org.example.Box] }
  agent: { path: '/{agent...}', interfaces: [], owner: caller }
  reader:
    path: /things
    interfaces: [org.example.Things]
    only: { org.example.Things: [Find, Things] }
interfaces:
  org.example.Things:
    as: org.example.native.Things
    methods:
      Find: { as: Search, in: { 1: thing }, out: { 0: thing } }
      List: { out: { 0.each: thing } }
      Table: { out: { 0.each.1: thing, 0.each.2: box } }
      Index: { out: { 0.keys: thing, 0.each.0: box } }
      Either: { out: { 0: [thing, box] } }
      Options: { in: { 0.parent: thing } }
      Refer: { out: { 0: thing, 1.each: thing } }
      Watch: { in: { 0: agent } }
      Reader: { out: { 0: reader } }
      Drop: { in: { 0: thing }, ends: 0 }
    signals:
      Added: { args: { 0: thing } }
      Removed: { as: Gone, args: { 0: thing }, ends: 0 }
    properties:
      Things: { each: thing }
      Current: { 1: thing }
      Favourite: thing
    leave_out: [Debug, Secret]
  org.example.Thing:
    as: org.example.native.Thing
    methods: { Close: { ends: self } }
    signals: { Closed: { ends: self } }
    properties: { Parent: thing }
  org.example.Hidden: { leave_out: '*' }
`);

/** A handle as these tests have it. */
const handle = (path: string, kind = 'thing', busName?: string) => ({ kind, path, busName });
type Handle = ReturnType<typeof handle>;

const THINGS = 'org.example.Things';
const PROPERTIES = 'org.freedesktop.DBus.Properties';
const MANAGER = 'org.freedesktop.DBus.ObjectManager';

function message(
  part: MessagePart,
  member: string,
  name = THINGS,
  call?: unknown[],
): MappedMessage {
  return { part, interface: name, member, ...(call && { call }) };
}

const native = (one: MappedMessage, body: unknown[]) =>
  toNative(mapping, one, body, (path, { name }, busName) => handle(path, name, busName));

const legacy = (one: MappedMessage, body: unknown[]) =>
  toLegacy(mapping, one, body, (value) =>
    typeof value === 'object' && value !== null && 'path' in value ? (value as Handle).path : value,
  );

const A = '/things/a';
const B = '/things/b';
const BOX = '/boxes/c';

describe('paths become handles, and handles paths', () => {
  test.each<[string, MappedMessage, unknown[], unknown[]]>([
    ['an argument', message('call', 'Find'), ['q', A], ['q', handle(A)]],
    ['a result', message('return', 'Find'), [A], [handle(A)]],
    ['the arguments are not the results', message('return', 'Find'), [BOX, A], [BOX, A]],
    ['an array', message('return', 'List'), [[A, B]], [[handle(A), handle(B)]]],
    ['an empty array', message('return', 'List'), [[]], [[]]],
    [
      'structures',
      message('return', 'Table'),
      [[['x', A, BOX]]],
      [[['x', handle(A), handle(BOX, 'box')]]],
    ],
    [
      'dictionary keys and values',
      message('return', 'Index'),
      [new Map([[A, [BOX, 1]]])],
      [new Map([[handle(A), [handle(BOX, 'box'), 1]]])],
    ],
    ['one of several kinds', message('return', 'Either'), [BOX], [handle(BOX, 'box')]],
    ['a kind that is not meant', message('return', 'Find'), [BOX], [BOX]],
    ['no object', message('return', 'Find'), ['/'], ['/']],
    [
      'an entry',
      message('call', 'Options'),
      [
        new Map([
          ['parent', new Variant('o', A)],
          ['other', new Variant('o', A)],
        ]),
      ],
      [
        new Map([
          ['parent', new Variant<unknown>('o', handle(A))],
          ['other', new Variant<unknown>('o', A)],
        ]),
      ],
    ],
    [
      'a reference',
      message('return', 'Refer'),
      [[':1.5', A], [[':1.6', B]]],
      [[':1.5', handle(A, 'thing', ':1.5')], [[':1.6', handle(B, 'thing', ':1.6')]]],
    ],
    [
      'two paths are no reference',
      message('return', 'Refer'),
      [':1.5', [A, B]],
      [':1.5', [handle(A), handle(B)]],
    ],
    ["a caller's object", message('call', 'Watch'), ['/my/agent'], [handle('/my/agent', 'agent')]],
    [
      'a handle for some members',
      message('return', 'Reader'),
      ['/things'],
      [handle('/things', 'reader')],
    ],
    ['a signal', message('signal', 'Added'), [A], [handle(A)]],
    ['a member without places', message('return', 'Else'), [A], [A]],
    [
      'a property',
      message('return', 'Get', PROPERTIES, [THINGS, 'Things']),
      [new Variant('ao', [A])],
      [new Variant<unknown>('ao', [handle(A)])],
    ],
    [
      'a property that is a path',
      message('return', 'Get', PROPERTIES, [THINGS, 'Favourite']),
      [new Variant('o', A)],
      [new Variant<unknown>('o', handle(A))],
    ],
  ])('%s', (_, one, withPaths, withHandles) => {
    const before = structuredClone(withPaths);
    expect(native(one, withPaths)).toEqual(withHandles);
    expect(structuredClone(withPaths)).toEqual(before);
    expect(legacy(one, withHandles)).toEqual(withPaths);
  });

  test('text in a variant is a path when a handle has taken its place', () => {
    const options = (type: string, value: unknown) => [
      new Map([['parent', new Variant(type, value)]]),
    ];
    const call = message('call', 'Options');
    expect(native(call, options('s', A))).toEqual(options('o', handle(A)));
    expect(native(call, options('s', 'none'))).toEqual(options('s', 'none'));
  });

  test('variants stay variants', () => {
    const one = message('return', 'Get', PROPERTIES, [THINGS, 'Favourite']);
    expect(native(one, [new Variant('o', A)])[0]).toBeInstanceOf(Variant);
  });
});

describe('the standard interfaces', () => {
  const NATIVE = 'org.example.native.Things';

  test('Set has the name of an interface and a value', () => {
    const value = new Variant<unknown>('(so)', ['id', handle(A)]);
    expect(legacy(message('call', 'Set', PROPERTIES), [NATIVE, 'Current', value])).toEqual([
      THINGS,
      'Current',
      new Variant('(so)', ['id', A]),
    ]);
  });

  test('GetAll shows what is not left out', () => {
    const all = new Map<string, Variant>([
      ['Favourite', new Variant('o', A)],
      ['Secret', new Variant('o', B)],
      ['Count', new Variant('u', 2)],
    ]);
    expect(native(message('return', 'GetAll', PROPERTIES, [THINGS]), [all])).toEqual([
      new Map<string, Variant>([
        ['Favourite', new Variant('o', handle(A))],
        ['Count', new Variant('u', 2)],
      ]),
    ]);
  });

  test('GetAll through a handle for some members shows those', () => {
    const object = mapping.objects.get('reader')!;
    const all = new Map<string, Variant>([
      ['Favourite', new Variant('o', A)],
      ['Things', new Variant('ao', [A])],
    ]);
    const one = { ...message('return', 'GetAll', PROPERTIES, [THINGS]), object };
    expect(native(one, [all])).toEqual([new Map([['Things', new Variant('ao', [handle(A)])]])]);
  });

  test('PropertiesChanged', () => {
    const changed = new Map<string, Variant>([
      ['Things', new Variant('ao', [A])],
      ['Secret', new Variant('u', 1)],
    ]);
    const body = [THINGS, changed, ['Favourite', 'Secret']];
    expect(native(message('signal', 'PropertiesChanged', PROPERTIES), body)).toEqual([
      NATIVE,
      new Map([['Things', new Variant('ao', [handle(A)])]]),
      ['Favourite'],
    ]);
  });

  test('GetManagedObjects and InterfacesAdded', () => {
    const interfaces = new Map([['org.example.Thing', new Map([['Parent', new Variant('o', B)]])]]);
    const translated = new Map([
      ['org.example.native.Thing', new Map([['Parent', new Variant('o', handle(B))]])],
    ]);
    const all = native(message('return', 'GetManagedObjects', MANAGER), [
      new Map([
        [A, interfaces],
        ['/strange', interfaces],
      ]),
    ]);
    expect(all).toEqual([
      new Map<unknown, unknown>([
        [handle(A), translated],
        ['/strange', translated],
      ]),
    ]);
    expect(native(message('signal', 'InterfacesAdded', MANAGER), [A, interfaces])).toEqual([
      handle(A),
      translated,
    ]);
  });
});

describe('an object ends', () => {
  test.each<[string, MappedMessage, unknown[], string[]]>([
    ['with a signal that names it', message('signal', 'Removed'), [A], [A]],
    ['with a signal of its own', message('signal', 'Closed', 'org.example.Thing'), [], ['/self']],
    ['when closed', message('return', 'Close', 'org.example.Thing', []), [], ['/self']],
    ['when dropped', message('return', 'Drop', THINGS, [A]), [], [A]],
    [
      'when it has lost its main interface',
      message('signal', 'InterfacesRemoved', MANAGER),
      [A, ['org.example.Thing']],
      [A],
    ],
    [
      'not when it has lost another',
      message('signal', 'InterfacesRemoved', MANAGER),
      [A, ['org.example.Extra']],
      [],
    ],
    ['not by asking', message('call', 'Drop'), [A], []],
    ['not with other signals', message('signal', 'Added'), [A], []],
  ])('%s', (_, one, body, ended) => {
    expect(endedObjects(mapping, one, body, '/self')).toEqual(ended);
  });
});

describe('members', () => {
  test.each([
    ['Find', 'Search'],
    ['List', 'List'],
    ['Removed', 'Gone'],
  ])('%s is %s to native peers', (member, nativeMember) => {
    const there = { interface: 'org.example.native.Things', member: nativeMember };
    expect(toNativeMember(mapping, { interface: THINGS, member })).toEqual(there);
    expect(toLegacyMember(mapping, there)).toEqual({ interface: THINGS, member });
  });

  const GET = { interface: PROPERTIES, member: 'Get' };
  const GET_ALL = { interface: PROPERTIES, member: 'GetAll' };
  test.each<[string, string, { interface: string; member: string }, unknown[], boolean]>([
    ['root', 'what is not left out', { interface: THINGS, member: 'List' }, [], true],
    ['root', 'what is left out', { interface: THINGS, member: 'Debug' }, [], false],
    ['root', 'what is left out, without interface', { interface: '', member: 'Debug' }, [], false],
    [
      'root',
      'an interface left out',
      { interface: 'org.example.Hidden', member: 'Any' },
      [],
      false,
    ],
    [
      'root',
      'an interface the file does not name',
      { interface: 'org.example.X', member: 'Y' },
      [],
      true,
    ],
    ['root', 'a property', GET, [THINGS, 'Things'], true],
    ['root', 'a property left out', GET, [THINGS, 'Secret'], false],
    ['root', 'a property left out, without interface', GET, ['', 'Secret'], false],
    ['reader', 'a member for it', { interface: THINGS, member: 'Find' }, [], true],
    ['reader', 'another member', { interface: THINGS, member: 'List' }, [], false],
    ['reader', 'a member without interface', { interface: '', member: 'Find' }, [], false],
    ['reader', 'another interface', { interface: 'org.example.X', member: 'Y' }, [], false],
    ['reader', 'a property for it', GET, [THINGS, 'Things'], true],
    ['reader', 'another property', GET, [THINGS, 'Favourite'], false],
    ['reader', 'all properties', GET_ALL, [THINGS], true],
    ['reader', 'all properties of another interface', GET_ALL, ['org.example.X'], false],
    ['reader', 'Ping', { interface: 'org.freedesktop.DBus.Peer', member: 'Ping' }, [], true],
    ['reader', 'all objects', { interface: MANAGER, member: 'GetManagedObjects' }, [], false],
  ])('through "%s": %s', (kind, _, call, body, allowed) => {
    expect(permits(mapping, mapping.objects.get(kind)!, call, body)).toBe(allowed);
  });
});

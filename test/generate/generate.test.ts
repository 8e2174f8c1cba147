// From introspection data to modules, which are kept beside it in golden/ (vitest -u writes them anew).
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateModule, readIntrospection } from '#bridge/generate/generate.js';
import { interfaceIdentifiers, parameterNames } from '#bridge/generate/identifiers.js';
import { ROOT } from '../support/bus-command.js';
import { run } from '../support/process.js';
import { describeWith, needsFile } from '../support/software.js';
import { compile } from './compiler.js';

const GOLDEN = join(import.meta.dirname, 'golden');
const goldenFiles = readdirSync(GOLDEN).filter((name) => name.endsWith('.xml'));

/** What the formatter with our settings makes of a module. */
async function formatted(text: string): Promise<string> {
  const oxfmt = join(ROOT, 'node_modules/oxfmt/bin/oxfmt');
  const args = [oxfmt, '--stdin-filepath', 'module.ts'];
  const { stdout, stderr } = await run(process.execPath, args, { input: text, cwd: ROOT });
  return stdout === '' ? stderr : stdout;
}

test.each(goldenFiles)('%s', async (name) => {
  const module = generateModule([readIntrospection(join(GOLDEN, name))]);
  await expect(module).toMatchFileSnapshot(join(GOLDEN, name.replace(/\.xml$/, '.ts')));
  expect(await formatted(module)).toBe(module);
});

test('the modules compile', async () => {
  const modules = goldenFiles.map((name) => name.replace(/\.xml$/, '.ts'));
  const files = modules.map((name) => [name, readFileSync(join(GOLDEN, name), 'utf8')]);
  const { complaints } = await compile(Object.fromEntries(files));
  expect(complaints).toEqual([]);
});

const INSTALLED = '/usr/share/dbus-1/interfaces';
const SOFTWARE = [
  needsFile(`${INSTALLED}/org.freedesktop.Accounts.xml`, 'accountsservice'),
  needsFile(`${INSTALLED}/org.freedesktop.UPower.Device.xml`, 'upower'),
];

describeWith(SOFTWARE, 'the interfaces that are installed here', () => {
  test('make one module that compiles and that the formatter leaves alone', async () => {
    const names = readdirSync(INSTALLED).filter((name) => name.endsWith('.xml'));
    const module = generateModule(names.map((name) => readIntrospection(join(INSTALLED, name))));
    const { complaints } = await compile({ 'installed.ts': module });
    expect(complaints).toEqual([]);
    expect(await formatted(module)).toBe(module);
  });
});

function text(source: string, interfaces: string) {
  return { source, title: source, xml: `<node>${interfaces}</node>` };
}

const A = '<interface name="a.A"><method name="M"/></interface>';
const OTHER_A = '<interface name="a.A"><method name="N"/></interface>';
const B = '<interface name="a.B"/>';
const PEER = '<interface name="org.freedesktop.DBus.Peer"><method name="Ping"/></interface>';

const exported = (module: string): (string | undefined)[] =>
  [...module.matchAll(/^export const (\w+)/gm)].map(([, name]) => name);

test('each interface is described once, in the order of the names', () => {
  const module = generateModule([text('one', B + A), text('two', A)]);
  expect(exported(module)).toEqual(['A', 'B']);
  expect(generateModule([text('one', A + B + A), text('two', A)])).toBe(module);
});

test('what every object has is left out, unless it is asked for', () => {
  expect(exported(generateModule([text('one', PEER + B)]))).toEqual(['B']);
  const wanted = ['org.freedesktop.DBus.Peer'];
  expect(exported(generateModule([text('one', PEER + B)], { wanted }))).toEqual(['Peer']);
});

const REFUSED: [string, string[], string][] = [
  ['', [], 'one: only the standard interfaces that every D-Bus object has'],
  [PEER, [], 'one: only the standard interfaces that every D-Bus object has'],
  [A + B, ['a.C'], 'one: no interface "a.C"; available: a.A, a.B'],
  ['', ['a.C'], 'one: no interface "a.C"; available: none'],
  [A + OTHER_A, [], 'a.A is described differently twice in one: give one of them'],
  ['<interface name="a"/>', [], 'one:1:7: <interface>: "a" is not a valid interface name'],
  ['&lol;', [], 'one:1:11: malformed XML: undefined entity.'],
];

test.each(REFUSED)('%s is refused', (interfaces, wanted, reason) => {
  expect(() => generateModule([text('one', interfaces)], { wanted })).toThrow(reason);
});

test('two sources that disagree are both named', () => {
  expect(() => generateModule([text('one', A), text('two', OTHER_A)])).toThrow(
    'a.A is described differently in one and two: give one of them',
  );
});

test('an interface that nobody wants may be described in two ways', () => {
  const texts = [text('one', A + B), text('two', OTHER_A)];
  expect(exported(generateModule(texts, { wanted: ['a.B'] }))).toEqual(['B']);
});

const IDENTIFIERS: [string[], string[]][] = [
  [['org.freedesktop.Notifications'], ['Notifications']],
  [['org.bluez.Adapter1'], ['Adapter1']],
  [
    ['a.one.Device', 'a.two.Device'],
    ['OneDevice', 'TwoDevice'],
  ],
  [
    ['a.two.Device', 'a.one.Device', 'a.Other'],
    ['TwoDevice', 'OneDevice', 'Other'],
  ],
  [
    ['a.Device', 'b.a.Device'],
    ['ADevice', 'BADevice'],
  ],
  [
    ['a.Device', 'a.DeviceMethods'],
    ['ADevice', 'ADeviceMethods_2'],
  ],
  [
    ['a.Variant', 'a.Map'],
    ['AVariant', 'AMap'],
  ],
  [['a.snake_case'], ['SnakeCase']],
  [
    ['a._', 'a._1'],
    ['_', '_1'],
  ],
  [
    ['a.bC', 'a.b_c', 'A.BC'],
    ['ABC', 'ABC_2', 'ABC_3'],
  ],
];

test.each(IDENTIFIERS)('%j are called %j', (names, expected) => {
  const identifiers = interfaceIdentifiers(names);
  expect(names.map((name) => identifiers.get(name)?.description)).toEqual(expected);
});

const PARAMETERS: [string[], string[]][] = [
  [
    ['app_name', 'expire-timeout', 'Offset'],
    ['appName', 'expireTimeout', 'offset'],
  ],
  [
    ['URI', 'HTTPPort', 'aURI', 'DHCP4'],
    ['uri', 'httpPort', 'aURI', 'dhcp4'],
  ],
  [
    ['', 'x', '%'],
    ['arg0', 'x', 'arg2'],
  ],
  [
    ['this', 'class', 'type'],
    ['this_', 'class_', 'type'],
  ],
  [
    ['x', 'x', 'X', 'x_2'],
    ['x', 'x_2', 'x_3', 'x2'],
  ],
  [
    ['2nd', 'a{sv}'],
    ['_2nd', 'aSv'],
  ],
];

test.each(PARAMETERS)('parameters %j are called %j', (names, expected) => {
  expect(parameterNames(names.map((name) => ({ name, type: 's' })))).toEqual(expected);
});

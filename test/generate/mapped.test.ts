// Modules for the mappings that come with this program, as far as files describe the services: they compile, together.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateModule, readIntrospection } from '#bridge/generate/generate.js';
import { readMapping } from '#bridge/cli/mapping-files.js';
import { parseMapping } from '#mappings/index.js';
import { ROOT } from '../support/bus-command.js';
import { compile } from './compiler.js';

const RECORDED = join(ROOT, 'test/mappings/interfaces');
const GOLDEN = join(import.meta.dirname, 'golden');

/** By mapping: its introspection data, and a type that must be in the module. */
const DESCRIBED: Readonly<Record<string, readonly [string, RegExp]>> = {
  avahi: [`${RECORDED}/avahi.xml`, /EntryGroupNew: \(\) => EntryGroupObject \| '\/';/],
  bluez: [`${RECORDED}/bluez.xml`, /SetConfiguration: \(transport: TransportObject \| '\/',/],
  mpris: [`${GOLDEN}/media-player.xml`, /\[name: `org\.mpris\.MediaPlayer2\.\$\{string\}`\]: /],
  screensaver: [`${RECORDED}/screensaver.xml`, /'org.freedesktop.ScreenSaver': /],
  'secret-service': [
    `${RECORDED}/secret-service.xml`,
    /SearchItems: .* => \[unlocked: ItemObject\[\], locked: ItemObject\[\]\];/,
  ],
  upower: [`${GOLDEN}/upower.xml`, /EnumerateDevices: \(\) => Capability\[\];/],
};

const modules = new Map(
  Object.entries(DESCRIBED).map(([name, [xml]]) => {
    const mapping = readMapping(join(ROOT, `mappings/${name}.yaml`));
    return [name, generateModule([readIntrospection(xml)], { mapping })];
  }),
);

test.each(Object.entries(DESCRIBED))('%s', (name, [, expected]) => {
  expect(modules.get(name)).toMatch(expected);
});

test('names and patterns that lead to different objects stand beside each other', async () => {
  const text = `service: Nested
bus: session
names:
  a.b.*: one
  a.b: two
  a.b.c: two
  a.b.d.*: three
objects:
  one: { path: /one, interfaces: [a.One] }
  two: { path: /two, interfaces: [a.Two] }
  three: { path: /three, interfaces: [a.Three] }
`;
  const result = parseMapping(text, 'nested.yaml');
  if (!('mapping' in result)) throw new Error(JSON.stringify(result.diagnostics));
  const xml = ['One', 'Two', 'Three'].map(
    (name) => `<interface name="a.${name}"><method name="${name}"/></interface>`,
  );
  const introspection = { source: 'nested', title: 'nested', xml: `<node>${xml.join('')}</node>` };
  const module = generateModule([introspection], { mapping: result.mapping });
  const program = `import { join } from 'bus1-bridge';
    import type { OneObject, ThreeObject, TwoObject } from './nested.js';
    const bus = await join();
    (await bus.mapped('a.b')) satisfies TwoObject;
    (await bus.mapped('a.b.c')) satisfies TwoObject;
    (await bus.mapped('a.b.d.e')) satisfies ThreeObject;
    (await bus.mapped('a.b.x')) satisfies OneObject | TwoObject | ThreeObject;
    (await bus.mapped('a.b.c')) satisfies OneObject;
  `;
  const types = `${ROOT}/dist/bridge/client/index.d.ts`;
  const { complaints } = await compile({ 'nested.ts': module, 'program.ts': program }, types);
  expect(complaints.map(({ file, line }) => [file, line])).toEqual([['program.ts', 8]]);
});

test('together', async () => {
  const files = Object.fromEntries([...modules].map(([name, text]) => [`${name}.ts`, text]));
  const names = [...modules.keys()].map((name) => `import './${name}.js';\n`).join('');
  const program = `${names}
    import { join } from 'bus1-bridge';
    import { Player } from './mpris.js';
    const bus = await join();
    (await bus.mapped('org.mpris.MediaPlayer2.vlc')).as(Player).methods.OpenUri('file:///a');
    (await bus.mapped('org.freedesktop.UPower')).live satisfies boolean;
    (await bus.mapped('org.mpris.MediaPlayer2.vlc')) satisfies string;
  `;
  const types = `${ROOT}/dist/bridge/client/index.d.ts`;
  const { complaints } = await compile({ ...files, 'program.ts': program }, types);
  expect(complaints.map(({ file, code }) => [file, code])).toEqual([['program.ts', 'TS1360']]);
});

// Mappings as capabilities with types: `bus1-bridge generate --mapping`, and what `bus.mapped` gives.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Capability, ErrorName, join, type Bus } from '#bridge/client/index.js';
import { compile } from '../generate/compiler.js';
import { PLACES, type Bridge as AnyBus } from '../client/home.js';
import { ROOT } from '../support/bus-command.js';
import { output, run, start } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';
import { Bridge } from './bridge.js';
import { Jukebox, NAME } from './jukebox.js';

const MAPPING = joinPath(import.meta.dirname, 'jukebox.yaml');
const COMMAND = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const generate = (...words: string[]): string[] => [COMMAND, 'generate', '--mapping', ...words];

/** What a user writes, with the module that was generated. */
const PROGRAM = `
import { join } from 'bus1-bridge';
import { Player1, Track1 } from './jukebox.js';

const bus = await join({ address: process.argv[2] });
const jukebox = await bus.mapped('${NAME}');
const player = jukebox.as(Player1);
for (const track of await player.methods.Find()) {
  const title: string = await track.as(Track1).properties.Title.get();
  console.log(title);
}
const current = await player.properties.Current.get();
if (current !== '/') console.log('playing', (await player.methods.Play(current)) !== '/');
console.log(await player.methods.PlayPause());
bus.close();
`;

let bridge: Bridge;
let service: Jukebox;
let module: string;

beforeAll(async () => {
  bridge = await Bridge.start('--mapping', MAPPING);
  service = await Jukebox.start(bridge.address);
  module = await output(process.execPath, generate(MAPPING, '--bus', bridge.address));
});
afterAll(async () => {
  service.stop();
  await bridge.stop();
});

describe('the module that is generated', () => {
  test.each([
    ['has the names that the mapping gives', /name: 'org.example.Player1'/],
    ['has renamed members', /^ {2}PlayPause: \(\) => string;$/m],
    ['has objects in lists', /^ {2}Find: \(\) => TrackObject\[\];$/m],
    ['has objects or none elsewhere', /^ {2}Current: ReadOnly<TrackObject \| '\/'>;$/m],
    [
      'has any capability where introspection data describe no interface',
      /=> Capability \| '\/';$/m,
    ],
    ['says which interfaces an object has', /TrackObject = CapabilityTo<typeof Track1>;/],
    ['says what a name leads to', / {4}'org.example.Jukebox': JukeboxObject;/],
  ])('%s', (_what, text) => {
    expect(module).toMatch(text);
  });

  test('has nothing that is left out', () => {
    expect(module).not.toMatch(/DumpState|\bToggle\b/);
  });

  test('types a program', async () => {
    const wrong = `
import { join } from 'bus1-bridge';
import { Player1, Track1 } from './jukebox.js';
const jukebox = await (await join()).mapped('${NAME}');
await jukebox.as(Player1).methods.Play(jukebox);
const [track] = await jukebox.as(Player1).methods.Find();
(await jukebox.as(Player1).properties.Current.get()).as(Track1);
await jukebox.as(Player1).methods.Play(track!);
(await (await join()).mapped('org.example.Other')).as(Track1);
`;
    const files = { 'jukebox.ts': module, 'program.ts': PROGRAM, 'wrong.ts': wrong };
    const { complaints } = await compile(files, `${ROOT}/dist/bridge/client/index.d.ts`);
    expect(complaints.map(({ file, line, code }) => [file, line, code])).toEqual([
      ['wrong.ts', 5, 'TS2345'],
      ['wrong.ts', 7, 'TS2339'],
    ]);
  });

  test('runs with it', async () => {
    mkdirSync(joinPath(ROOT, 'build'), { recursive: true });
    const folder = mkdtempSync(joinPath(ROOT, 'build/mapped-'));
    for (const [name, text] of Object.entries({ jukebox: module, program: PROGRAM })) {
      const { code } = await transform(text, { loader: 'ts', format: 'esm' });
      writeFileSync(joinPath(folder, `${name}.js`), code);
    }
    const words = [joinPath(folder, 'program.js'), bridge.address];
    expect(await output(process.execPath, words)).toBe(
      'title one\ntitle two\nplaying true\ntoggled\n',
    );
    rmSync(folder, { recursive: true });
  });
});

describe('bus.mapped', () => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await bridge.native();
  });
  afterAll(() => bus.close());

  test('gives the object of the name', async () => {
    const jukebox = await bus.mapped(NAME);
    const content = { interface: 'org.example.Player1', member: 'Find' };
    const [tracks] = (await jukebox.call(content)).body as [Capability[]];
    expect(tracks.every((one) => one instanceof Capability)).toBe(true);
  });

  test('asks the mapping, and not the service', async () => {
    const kind = { interface: 'org.bus1.Mapping', member: 'GetKind' };
    const jukebox = await bus.resolve(NAME);
    const before = service.calls.length;
    expect((await jukebox.call(kind)).body).toEqual(['Jukebox', 'jukebox']);
    const [tracks] = (await jukebox.call({ interface: 'org.example.Player1', member: 'Find' }))
      .body as [Capability[]];
    expect((await tracks[0].call(kind)).body).toEqual(['Jukebox', 'track']);
    expect(service.calls.length).toBe(before + 1);
    await expect(jukebox.call({ ...kind, member: 'Other' })).rejects.toMatchObject({
      name: ErrorName.UnknownMethod,
    });
  });

  test('of a name without an owner', async () => {
    await expect(bus.mapped('org.example.Nobody')).rejects.toMatchObject({
      name: ErrorName.ServiceUnknown,
    });
  });

  test('of the bus itself', async () => {
    await expect(bus.mapped('org.freedesktop.DBus')).rejects.toMatchObject({ code: 'NotMapped' });
  });
});

describeWith(
  [needs('dbus-test-tool', 'dbus-bin')],
  'a service that answers whatever it is asked',
  () => {
    test('is not mapped', async () => {
      const name = 'org.example.Echo';
      const env = { ...process.env, DBUS_SESSION_BUS_ADDRESS: bridge.address };
      const echo = start('dbus-test-tool', ['echo', '--session', `--name=${name}`], { env });
      const bus = await bridge.native();
      await bus.waitForName(name);
      await expect(bus.mapped(name)).rejects.toMatchObject({ code: 'NotMapped' });
      bus.close();
      await echo.stop();
    });
  },
);

describe.each(PLACES.map((place) => [place.title, place] as const))(
  '%s, without a mapping',
  (_title, place) => {
    let other: Pick<AnyBus, 'address' | 'stop'>;
    let legacy: Jukebox;
    let bus: Bus;
    beforeAll(async () => {
      other = await place.open();
      legacy = await Jukebox.start(other.address);
      bus = await join({ address: other.address, transport: place.transport });
    });
    afterAll(async () => {
      bus.close();
      legacy.stop();
      await other.stop();
    });

    test('a service is not mapped', async () => {
      const error =
        place.transport === 'domain' ? { code: 'NotMapped' } : { name: ErrorName.NotSupported };
      await expect(bus.mapped(NAME)).rejects.toMatchObject(error);
    });
  },
);

test.each<[string[], RegExp]>([
  [['/nowhere.yaml', 'a.xml'], /cannot read "\/nowhere.yaml": /],
  [[MAPPING], /give files with introspection XML, or --bus/],
  [[joinPath(ROOT, 'mappings/mpris.yaml'), '--bus', 'session'], /give the name of a service/],
  [[MAPPING, '--bus', 'session', NAME, '/org/example'], /"\/org\/example" is not a bus name/],
  [
    [MAPPING, joinPath(ROOT, 'test/generate/golden/upower.xml')],
    /jukebox.yaml has the interfaces .*org.example.Jukebox1.*, none of which .*upower.xml describes/,
  ],
])('generate --mapping %j is refused', async (words, reason) => {
  const { code, stdout, stderr } = await run(process.execPath, generate(...words));
  expect({ code: code === 0, stdout }).toEqual({ code: false, stdout: '' });
  expect(stderr).toMatch(reason);
});

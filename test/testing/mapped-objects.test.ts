// Mocks of services that a mapping describes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '#bridge/client/index.js';
import { objectsOfMapping, TestBus, type MockService } from '#bridge/testing/index.js';
import { ROOT } from '../support/bus-command.js';

const MAPPING = join(ROOT, 'test/translation/jukebox.yaml');
const NAME = 'org.example.Jukebox';
const PATH = '/org/example/Jukebox';
const XML = `<node>
  <interface name="org.example.Jukebox1">
    <method name="Find"><arg type="ao" direction="out"/></method>
    <method name="Play"><arg type="o" direction="in"/><arg type="o" direction="out"/></method>
    <property name="Current" type="o" access="read"/>
  </interface>
  <interface name="org.example.Settings1"><method name="Reset"/></interface>
  <interface name="org.example.Track1"><property name="Title" type="s" access="read"/></interface>
  <interface name="org.example.Playback1"><method name="Stop"/><signal name="Finished"/></interface>
</node>`;

const jukebox = (objects?: Record<string, Record<string, string>[]>) =>
  objectsOfMapping({ mapping: MAPPING, introspection: [XML], ...(objects ? { objects } : {}) });

test('objects with a path of their own are there, others when they are asked for', () => {
  expect(Object.keys(jukebox())).toEqual([PATH, `${PATH}/settings`]);
  expect(Object.keys(jukebox({ track: [{ track: 'one' }, { track: 'two' }] }))).toEqual([
    PATH,
    `${PATH}/settings`,
    `${PATH}/tracks/one`,
    `${PATH}/tracks/two`,
  ]);
});

describe('is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mapped-'));
  const broken = join(folder, 'broken.yaml');
  writeFileSync(broken, 'service: Broken\nbus: nowhere\n');
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['a mapping with a mistake', { mapping: broken, introspection: [] }, /broken.yaml:2:6: /],
    [
      'an interface that nobody describes',
      { mapping: MAPPING, introspection: [] },
      /jukebox.yaml is about org.example.Jukebox1, which .* do not describe/,
    ],
    [
      'a kind that is not there',
      { mapping: MAPPING, introspection: [XML], objects: { song: [] } },
      /has no objects of the kind "song", only jukebox, /,
    ],
    [
      'an object without a variable',
      { mapping: MAPPING, introspection: [XML], objects: { track: [{}] } },
      /a track is at .*tracks\/\{track\}, which takes other variables than ""/,
    ],
  ])('%s', (_what, service, message) => {
    expect(() => objectsOfMapping(service)).toThrow(message);
  });
});

describe('on a test bus with the mapping', () => {
  let testBus: TestBus;
  let service: MockService;
  beforeAll(async () => {
    testBus = await TestBus.start({ mappings: [MAPPING] });
    service = await testBus.mock(NAME, jukebox({ track: [{ track: 'one' }] }));
  });
  afterAll(() => testBus.stop());

  test('a program gets capabilities, and the mock paths', async () => {
    service.object(PATH).answer('Find', [`${PATH}/tracks/one`]);
    const object = await (await testBus.connect()).mapped(NAME);
    const { body } = await object.call({ interface: 'org.example.Player1', member: 'Find' });
    const [[track]] = body as [[Capability]];
    expect(track).toBeInstanceOf(Capability);
    const play = {
      interface: 'org.example.Player1',
      member: 'Play',
      signature: 'o',
      body: [track],
    };
    await object.call(play);
    expect(service.callsOf('Play').map(({ args }) => args)).toEqual([[`${PATH}/tracks/one`]]);
  });
});

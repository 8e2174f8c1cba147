// The examples of the native API do what they say, on any bus unless they hand out capabilities.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { output, start, type Program } from '../support/process.js';
import { PLACES, type Bridge } from './home.js';

const example = (name: string) => join(ROOT, 'examples', name);

const ON_ANY_BUS: readonly (readonly [string, ...string[]])[] = [
  [
    'legacy-client-native-service.mjs',
    'raised to 22 °C',
    'all were told: 22 °C',
    'org.example.Error.TooHot: 122 °C is too hot',
  ],
];

const IN_A_DOMAIN: readonly (readonly [string, ...string[]])[] = [
  [
    'native-client.mjs',
    'the target is 20 °C',
    'the watcher was told: 21.5 °C',
    'org.example.Error.TooHot: 121.5 °C is too hot',
    'back at 20 °C',
  ],
  ['domain-without-dbus.mjs', 'Hello, process N!'],
  [
    'file-portal.mjs',
    'diary: org.example.Error.NotFound',
    'letter: Dear Ada',
    'closed: CapabilityLost',
  ],
  [
    'privileged-helper.mjs',
    'trusted program: the time is noon',
    'other program: has no clock to set',
  ],
  [
    'pipeline.mjs',
    '1: while the middle is there, filtered',
    '2: while the middle is there',
    '3: after the middle has left',
    '4: end',
  ],
];

/* the examples find out by themselves whether there is a domain */
const BUSES = PLACES.filter(({ transport, isOurs }) => transport === 'domain' || !isOurs);

describe.each(BUSES.map((place) => [place.title, place] as const))('%s', (_title, place) => {
  let bus: Pick<Bridge, 'address' | 'stop'>;
  let service: Program;
  let env: Record<string, string | undefined>;

  beforeAll(async () => {
    bus = await place.open();
    env = { ...process.env, DBUS_SESSION_BUS_ADDRESS: bus.address };
    service = start(process.execPath, [example('native-service.mjs')], { env });
    await service.waitForLine(/^serving org\.example\.Thermostat as :/);
  });

  afterAll(async () => {
    await service.stop();
    await bus.stop();
  });

  const examples = place.transport === 'domain' ? [...ON_ANY_BUS, ...IN_A_DOMAIN] : ON_ANY_BUS;

  test.each(examples)('%s', async (name, ...lines) => {
    const printed = await output(process.execPath, [example(name)], { env });
    expect(printed.replace(/process \d+/, 'process N')).toBe(`${lines.join('\n')}\n`);
  });
});

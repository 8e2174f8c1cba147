// The examples of the native API do what they say.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { output, start, type Program } from '../support/process.js';
import { Bridge } from './home.js';

const example = (name: string) => join(ROOT, 'examples', name);

let bridge: Bridge;
let service: Program;
let env: Record<string, string | undefined>;

beforeAll(async () => {
  bridge = await Bridge.start();
  env = { ...process.env, DBUS_SESSION_BUS_ADDRESS: bridge.address };
  service = start(process.execPath, [example('native-service.mjs')], { env });
  await service.waitForLine(/^serving org\.example\.Thermostat as :/);
});

afterAll(async () => {
  await service.stop();
  await bridge.stop();
});

test.each([
  [
    'native-client.mjs',
    'the target is 20 °C',
    'the watcher was told: 21.5 °C',
    'org.example.Error.TooHot: 121.5 °C is too hot',
    'back at 20 °C',
  ],
  [
    'legacy-client-native-service.mjs',
    'raised to 22 °C',
    'all were told: 22 °C',
    'org.example.Error.TooHot: 122 °C is too hot',
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
])('%s', async (name, ...lines) => {
  const printed = await output(process.execPath, [example(name)], { env });
  expect(printed.replace(/process \d+/, 'process N')).toBe(`${lines.join('\n')}\n`);
});

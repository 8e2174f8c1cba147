// Packages that were written for dbus-next: with the hook they do on this bus what they do without it on dbus-daemon.
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { join, type Bus } from '#bridge/client/index.js';
import { MockService, type MockedObjects } from '#bridge/testing/index.js';
import { ROOT } from '../../support/bus-command.js';
import { output, start } from '../../support/process.js';
import { describeWith } from '../../support/software.js';
import { OLD_BUS_SOFTWARE, OldBus } from '../../uplink/old-bus.js';
import { Bridge } from '../home.js';

const HOOK = ['--import', 'bus1-bridge/dbus-next/register'];
const TIMEOUT_MS = 20_000;

interface Place {
  readonly address: string;
  /** for Node, before the program */
  readonly words: readonly string[];
}

const environment = ({ address }: Place) => ({
  cwd: ROOT,
  env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: address, DBUS_SYSTEM_BUS_ADDRESS: address },
});

/** What comes of a media player: what it says about itself, and what it hears. */
async function play(place: Place, name: string): Promise<unknown> {
  const program = joinPath(import.meta.dirname, 'mpris-player.mjs');
  const words = [...place.words, program, name];
  const player = start(process.execPath, words, environment(place));
  const bus = await join({ address: place.address, transport: 'socket' });
  await bus.waitForName('org.mpris.MediaPlayer2.nodejs', { timeoutMs: TIMEOUT_MS });
  const object = await bus.object('org.mpris.MediaPlayer2.nodejs', '/org/mpris/MediaPlayer2');
  const root = object.as('org.mpris.MediaPlayer2');
  const { methods, properties, ...rest } = object.as('org.mpris.MediaPlayer2.Player');
  const seen: unknown[] = [[...object.interfaces.keys()].toSorted(), await root.getAll()];
  const changes = await object
    .as('org.freedesktop.DBus.Properties')
    .signals['PropertiesChanged'].open();
  await methods['Play']();
  await player.waitForLine(/^play /);
  for (const property of ['Metadata', 'PlaybackStatus']) {
    for await (const [, values] of changes) {
      if (!(values as Map<string, unknown>).has(property)) continue;
      seen.push(values);
      break;
    }
  }
  await methods['Seek'](5n);
  await player.waitForLine(/^seek 5$/);
  await methods['OpenUri']('file:///song');
  await player.waitForLine(/^open /);
  await properties['Volume'].set(0.5);
  await player.waitForLine(/^volume 0.5$/);
  seen.push(await rest.getAll());
  await root.methods['Quit']().catch(() => {});
  bus.close();
  const { code, stdout, stderr } = await player.ended;
  return { seen, code, stdout, stderr };
}

const DEVICE = '/org/bluez/hci0/dev_00_11_22_33_44_55';

const described = (name: string, more: object) => ({
  name,
  methods: {},
  signals: {},
  properties: {},
  ...more,
});
const readable = (type: string) => ({ type, access: 'read' }) as const;
const quiet = { in: '', out: '' };

const characteristic = {
  interfaces: [
    described('org.bluez.GattCharacteristic1', {
      methods: {
        ReadValue: { in: 'a{sv}', out: 'ay' },
        WriteValue: { in: 'aya{sv}', out: '' },
        StartNotify: quiet,
        StopNotify: quiet,
      },
      properties: { UUID: readable('s'), Value: readable('ay'), Notifying: readable('b') },
    }),
  ],
};
const service = {
  interfaces: [
    described('org.bluez.GattService1', {
      properties: { UUID: readable('s'), Primary: readable('b') },
    }),
  ],
};

/** A device of BlueZ with a characteristic that keeps what is written, and one that notifies. */
const BLUEZ: MockedObjects = {
  '/org/bluez': { interfaces: [described('org.bluez.AgentManager1', {})] },
  '/org/bluez/hci0': {
    interfaces: [
      described('org.bluez.Adapter1', {
        methods: {
          StartDiscovery: quiet,
          StopDiscovery: quiet,
          SetDiscoveryFilter: { in: 'a{sv}', out: '' },
        },
        properties: { Discovering: readable('b'), Powered: readable('b') },
      }),
    ],
  },
  [DEVICE]: {
    interfaces: [
      described('org.bluez.Device1', {
        methods: { Connect: quiet, Disconnect: quiet },
        properties: {
          Address: readable('s'),
          Name: readable('s'),
          Connected: readable('b'),
          ServicesResolved: readable('b'),
        },
      }),
    ],
    properties: { Address: '00:11:22:33:44:55', Name: 'thermometer', ServicesResolved: true },
  },
  [`${DEVICE}/service0`]: { ...service, properties: { UUID: 'kept' } },
  [`${DEVICE}/service0/char0`]: { ...characteristic, properties: { UUID: 'value' } },
  [`${DEVICE}/service1`]: { ...service, properties: { UUID: 'notifying' } },
  [`${DEVICE}/service1/char0`]: { ...characteristic, properties: { UUID: 'degrees' } },
};

/** node-ble's own example, with the calls that BlueZ has got. */
async function readThermometer(place: Place): Promise<unknown> {
  const bus: Bus = await join({ address: place.address, transport: 'socket' });
  const bluez = await MockService.open(bus, 'org.bluez', BLUEZ, TIMEOUT_MS);
  const kept = bluez.object(`${DEVICE}/service0/char0`);
  kept.answer('ReadValue', () => bluez.callsOf('WriteValue')[0]?.args[0]);
  const notifying = bluez.object(`${DEVICE}/service1/char0`);
  let timer: NodeJS.Timeout | undefined;
  notifying.answer('StartNotify', () => {
    timer = setInterval(() => notifying.set('Value', new Uint8Array([21])), 10);
  });
  notifying.answer('StopNotify', () => clearInterval(timer));
  const { env } = environment(place);
  const variables = {
    TEST_DEVICE: '00:11:22:33:44:55',
    TEST_SERVICE: 'kept',
    TEST_CHARACTERISTIC: 'value',
    TEST_NOTIFY_SERVICE: 'notifying',
    TEST_NOTIFY_CHARACTERISTIC: 'degrees',
  };
  const words = [...place.words, 'node_modules/node-ble/example.js'];
  const options = { cwd: ROOT, env: { ...env, ...variables, DOTENV_CONFIG_QUIET: 'true' } };
  const printed = await output(process.execPath, words, options);
  bluez.stop();
  return { printed, calls: bluez.calls.map(({ path, member, args }) => [path, member, args]) };
}

describeWith(OLD_BUS_SOFTWARE['dbus-daemon'], 'on dbus-daemon, and here with the hook', () => {
  let bridge: Bridge;
  let daemon: OldBus;
  let there: Place;
  let here: Place;

  beforeAll(async () => {
    [bridge, daemon] = await Promise.all([Bridge.start(), OldBus.start('dbus-daemon')]);
    there = { address: daemon.address, words: [] };
    here = { address: bridge.address, words: HOOK };
  });
  afterAll(async () => {
    await bridge.stop();
    await daemon.stop();
  });

  describe.each(['mpris-service', '@jellybrick/mpris-service'])('%s', (name) => {
    test('does the same', async () => {
      const expected = await play(there, name);
      expect(expected).toMatchObject({ code: 0, stderr: '' });
      expect(await play(here, name)).toEqual(expected);
    });
  });

  test("node-ble's example reads and writes, and is notified", async () => {
    const expected = await readThermometer(there);
    expect(expected).toMatchObject({
      printed: expect.stringMatching(/Hello world[^]*subscription <Buffer 15>/),
    });
    expect(await readThermometer(here)).toEqual(expected);
  });
});

// Packages that were written for dbus-next: with the hook they do on this bus what they do without it on dbus-daemon.
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { join, type Bus } from '#bridge/client/index.js';
import { MockService, type MockDefinition, type MockedObjects } from '#bridge/testing/index.js';
import { ROOT } from '../../support/bus-command.js';
import { output, start } from '../../support/process.js';
import { describeWith } from '../../support/software.js';
import {
  bluezObjects,
  characteristicPath,
  DEVICE_ADDRESS,
  notify,
} from '../../testing/node-ble/bluez.mjs';
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

/** node-ble's own example, with the calls that BlueZ has got. */
async function readThermometer(place: Place): Promise<unknown> {
  const bus: Bus = await join({ address: place.address, transport: 'socket' });
  const services = [
    ['kept', 'value'],
    ['notifying', 'degrees'],
  ];
  const bluez = await MockService.open(bus, 'org.bluez', bluezObjects(services), TIMEOUT_MS);
  const kept = bluez.object(characteristicPath(0, 0));
  kept.answer('ReadValue', () => bluez.callsOf('WriteValue')[0]?.args[0]);
  notify(bluez.object(characteristicPath(1, 0)), new Uint8Array([21]));
  const { env } = environment(place);
  const variables = {
    TEST_DEVICE: DEVICE_ADDRESS,
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

const KDE = '/modules/kdeconnect/devices';
const described = (name: string, more: object) => ({
  name: `org.kde.kdeconnect.device${name}`,
  methods: {},
  signals: {},
  properties: {},
  ...more,
});
const readable = (type: string) => ({ type, access: 'read' }) as const;
const phone = described('', {
  signals: { reachableChanged: { args: 'b' }, trustedChanged: { args: 'b' } },
  properties: {
    name: readable('s'),
    type: readable('s'),
    isReachable: readable('b'),
    isTrusted: readable('b'),
  },
});

/** kdeconnectd with a telephone that is away, and one that is there. */
const KDECONNECT: MockedObjects = {
  [`${KDE}/away`]: { interfaces: [phone], properties: { name: 'old one', type: 'phone' } },
  [`${KDE}/here`]: {
    interfaces: [phone],
    properties: { name: 'new one', type: 'phone', isReachable: true, isTrusted: true },
  },
  [`${KDE}/here/battery`]: {
    interfaces: [
      described('.battery', {
        signals: { refreshed: { args: 'bi' } },
        properties: { charge: readable('i'), isCharging: readable('b') },
      }),
    ],
    properties: { charge: 80 },
  },
  [`${KDE}/here/connectivity_report`]: {
    interfaces: [
      described('.connectivity_report', {
        signals: { refreshed: { args: 'si' } },
        properties: {
          cellularNetworkType: readable('s'),
          cellularNetworkStrength: readable('i'),
        },
      }),
    ],
    properties: { cellularNetworkType: 'LTE', cellularNetworkStrength: 3 },
  },
  [`${KDE}/here/findmyphone`]: {
    interfaces: [described('.findmyphone', { methods: { ring: { in: '', out: '' } } })],
  },
  [`${KDE}/here/ping`]: {
    interfaces: [described('.ping', { methods: { sendPing: { in: 's', out: '' } } })],
  },
  [`${KDE}/here/share`]: {
    interfaces: [
      described('.share', {
        methods: { shareUrl: { in: 's', out: '' }, shareText: { in: 's', out: '' } },
      }),
    ],
  },
  [`${KDE}/here/mprisremote`]: {
    interfaces: [
      described('.mprisremote', {
        methods: { sendAction: { in: 's', out: '' } },
        signals: { propertiesChanged: { args: '' } },
        properties: { title: readable('s'), isPlaying: readable('b') },
      }),
    ],
  },
  [`${KDE}/here/notifications`]: {
    interfaces: [
      described('.notifications', { methods: { activeNotifications: { in: '', out: 'as' } } }),
    ],
    methods: { activeNotifications: ['7'] },
  },
  [`${KDE}/here/notifications/7`]: {
    interfaces: [
      described('.notifications.notification', {
        methods: { dismiss: { in: '', out: '' } },
        properties: {
          appName: readable('s'),
          title: readable('s'),
          text: readable('s'),
          dismissable: readable('b'),
        },
      }),
    ],
    properties: { appName: 'mail', title: 'A letter', text: 'from Ada', dismissable: true },
  },
};

/** What a program with kdeconnect prints, and what the telephone has been told. */
async function callPhone(place: Place): Promise<unknown> {
  const bus = await join({ address: place.address, transport: 'socket' });
  const kde = await MockService.open(bus, 'org.kde.kdeconnect.daemon', KDECONNECT, TIMEOUT_MS);
  kde.object(`${KDE}/here/notifications/7`).answer('dismiss', () => {
    kde.object(`${KDE}/here/battery`).emit('refreshed', true, 79);
  });
  const program = joinPath(import.meta.dirname, 'kdeconnect-phone.mjs');
  const printed = await output(process.execPath, [...place.words, program], environment(place));
  kde.stop();
  bus.close();
  return { printed, calls: kde.calls.map(({ path, member, args }) => [path, member, args]) };
}

const NM = 'org.freedesktop.NetworkManager';
const NM_PATH = '/org/freedesktop/NetworkManager';
const WLAN = `${NM_PATH}/Devices/1`;
const accessPoint = (name: string, strength: number): MockDefinition => ({
  introspection: `<node><interface name="${NM}.AccessPoint">
    <property name="Ssid" type="ay" access="read"/>
    <property name="Strength" type="y" access="read"/>
  </interface></node>`,
  properties: { Ssid: new TextEncoder().encode(name), Strength: strength },
});

/** NetworkManager with one device, which sees one access point. */
const NETWORK_MANAGER: MockedObjects = {
  [NM_PATH]: {
    introspection: `<node><interface name="${NM}">
      <method name="GetAllDevices"><arg type="ao" direction="out"/></method>
      <signal name="DeviceAdded"><arg type="o"/></signal>
      <signal name="DeviceRemoved"><arg type="o"/></signal>
      <property name="WirelessEnabled" type="b" access="readwrite"/>
    </interface></node>`,
    methods: { GetAllDevices: [WLAN] },
    properties: { WirelessEnabled: true },
  },
  [WLAN]: {
    introspection: `<node>
      <interface name="${NM}.Device">
        <property name="DeviceType" type="u" access="read"/>
        <property name="State" type="u" access="read"/>
        <property name="Ip4Address" type="u" access="read"/>
      </interface>
      <interface name="${NM}.Device.Wireless">
        <method name="RequestScan"><arg type="a{sv}" direction="in"/></method>
        <signal name="AccessPointAdded"><arg type="o"/></signal>
        <signal name="AccessPointRemoved"><arg type="o"/></signal>
        <property name="AccessPoints" type="ao" access="read"/>
      </interface>
    </node>`,
    properties: { DeviceType: 2, State: 30, AccessPoints: [`${NM_PATH}/AccessPoint/1`] },
  },
  [`${NM_PATH}/AccessPoint/1`]: accessPoint('home', 70),
};

/** networkmanager-dbus's example: a scan that finds a second access point. */
async function scan(place: Place): Promise<unknown> {
  const bus = await join({ address: place.address, transport: 'socket' });
  const manager = await MockService.open(bus, NM, NETWORK_MANAGER, TIMEOUT_MS);
  const wlan = manager.object(WLAN);
  wlan.answer('RequestScan', () => {
    wlan.set('State', 100);
    manager.add(`${NM_PATH}/AccessPoint/2`, accessPoint('café', 30));
    wlan.emit('AccessPointAdded', `${NM_PATH}/AccessPoint/2`);
  });
  const program = joinPath(import.meta.dirname, 'networkmanager-scan.mjs');
  const printed = await output(process.execPath, [...place.words, program], environment(place));
  manager.stop();
  bus.close();
  return { printed, calls: manager.calls.map(({ path, member, args }) => [path, member, args]) };
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

  test('kdeconnect finds a telephone and talks to it', async () => {
    const expected = await callPhone(there);
    expect(expected).toMatchObject({ printed: expect.stringMatching(/"battery",\{"charge":79/) });
    expect(await callPhone(here)).toEqual(expected);
  });

  test('networkmanager-dbus finds access points, and what a scan brings', async () => {
    const expected = await scan(there);
    expect(expected).toMatchObject({
      printed: expect.stringMatching(/\["home",70\],\[.*,30\][^]*No ethernet device[^]*"left"/),
    });
    expect(await scan(here)).toEqual(expected);
  });
});

// Calls to mocks of real services: what they answer with is turned into handles of the right kinds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toLegacy, toNative } from '#mappings/index.js';
import { ROOT } from '../support/bus-command.js';
import { describeWith } from '../support/software.js';
import { mappingOf } from './mapping-text.js';
import { type Call, MOCK_SOFTWARE, call, mockCommand, withService } from './sources.js';

interface MockedService {
  readonly file: string;
  readonly template: string;
  readonly name: string;
  /** What makes the mock have objects. */
  readonly setUp: readonly (readonly [path: string, call: Call])[];
  /** Calls, and the kinds of the handles in what they return, in order. */
  readonly calls: readonly (readonly [path: string, call: Call, kinds: readonly string[]])[];
}

const MOCK = 'org.freedesktop.DBus.Mock';
const LOGIN = '/org/freedesktop/login1';
const MANAGER = 'org.freedesktop.login1.Manager';
const NETWORK = 'org.freedesktop.NetworkManager';
const NETWORK_PATH = '/org/freedesktop/NetworkManager';
const UPOWER = 'org.freedesktop.UPower';
const UPOWER_PATH = '/org/freedesktop/UPower';

function does(name: string, member: string, signature = '', ...body: unknown[]): Call {
  return { interface: name, member, signature, body };
}

const SERVICES: readonly MockedService[] = [
  {
    file: 'logind.yaml',
    template: 'logind',
    name: 'org.freedesktop.login1',
    setUp: [
      [LOGIN, does(MOCK, 'AddSession', 'ssusb', 'c1', 'seat0', 1000, 'joe', true)],
      [LOGIN, does(MOCK, 'AddSession', 'ssusb', 'c2', 'seat0', 1001, 'jane', false)],
    ],
    calls: [
      [LOGIN, does(MANAGER, 'GetSession', 's', 'c1'), ['session']],
      [LOGIN, does(MANAGER, 'ListSessions'), ['session', 'session']],
      [LOGIN, does(MANAGER, 'ListUsers'), ['user', 'user']],
      [LOGIN, does(MANAGER, 'ListSeats'), ['seat']],
      [LOGIN, does(MANAGER, 'GetSeat', 's', 'seat0'), ['seat']],
    ],
  },
  {
    file: 'upower.yaml',
    template: 'upower',
    name: UPOWER,
    setUp: [
      [UPOWER_PATH, does(MOCK, 'AddAC', 'ss', 'mock_AC', 'AC')],
      [UPOWER_PATH, does(MOCK, 'AddChargingBattery', 'ssdx', 'mock_BAT', 'B', 30, 1200n)],
    ],
    calls: [
      [UPOWER_PATH, does(UPOWER, 'EnumerateDevices'), ['device', 'device']],
      [UPOWER_PATH, does(UPOWER, 'GetDisplayDevice'), ['device']],
    ],
  },
  {
    file: 'networkmanager.yaml',
    template: 'networkmanager',
    name: NETWORK,
    setUp: [
      ['/org/freedesktop', does(MOCK, 'AddEthernetDevice', 'ssi', 'wired', 'eth0', 100)],
      ['/org/freedesktop', does(MOCK, 'AddWiFiDevice', 'ssi', 'wireless', 'wlan0', 100)],
      [
        '/org/freedesktop',
        does(
          MOCK,
          'AddAccessPoint',
          'ssssuuuyu',
          `${NETWORK_PATH}/Devices/wireless`,
          'point',
          'The net',
          '00:23:F8:7E:12:BB',
          2,
          2425,
          5400,
          82,
          0x100,
        ),
      ],
      [
        '/org/freedesktop',
        does(
          MOCK,
          'AddWiFiConnection',
          'ssss',
          `${NETWORK_PATH}/Devices/wireless`,
          'saved',
          'The net',
          'wpa-psk',
        ),
      ],
    ],
    calls: [
      [NETWORK_PATH, does(NETWORK, 'GetDevices'), ['device', 'device']],
      [
        `${NETWORK_PATH}/Devices/wireless`,
        does(`${NETWORK}.Device.Wireless`, 'GetAccessPoints'),
        ['access_point'],
      ],
      [`${NETWORK_PATH}/Settings`, does(`${NETWORK}.Settings`, 'ListConnections'), ['connection']],
    ],
  },
];

for (const { file, template, name, setUp, calls } of SERVICES) {
  describeWith(MOCK_SOFTWARE, `${name}, mapped by ${file}`, () => {
    const mapping = mappingOf(readFileSync(join(ROOT, 'mappings', file), 'utf8'), file);

    test('answers with objects', async () => {
      await withService(mockCommand(template), name, async (bus) => {
        for (const [path, what] of setUp) await call(bus, name, path, what);
        for (const [path, what, kinds] of calls) {
          const body = await call(bus, name, path, what);
          const message = {
            part: 'return' as const,
            interface: what.interface,
            member: what.member,
          };
          const paths: string[] = [];
          const found: string[] = [];
          const native = toNative(mapping, message, body, (one, kind) => {
            found.push(kind.name);
            return { handle: paths.push(one) - 1 };
          });
          expect([what.member, found]).toEqual([what.member, kinds]);
          const legacy = toLegacy(mapping, message, native, (value) => {
            return typeof value === 'object' && value !== null && 'handle' in value
              ? paths[Number(value.handle)]
              : value;
          });
          expect(legacy).toEqual(body);
        }
      });
    });
  });
}

// Every mapping that comes with the program, against what the real service offers.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkMapping } from '#bridge/introspection/check-mapping.js';
import type { Argument, Method, Signal } from '#bridge/introspection/introspection.js';
import { interfacesIn } from '#bridge/introspection/known-interfaces.js';
import { formatDiagnostic, lintMappings } from '#mappings/index.js';
import { ROOT } from '../support/bus-command.js';
import { describeWith } from '../support/software.js';
import { mappingOf } from './mapping-text.js';
import {
  type Mock,
  type Source,
  installedInterfaces,
  interfaceFiles,
  liveService,
  mock,
  recorded,
  systemdDaemon,
  textInProgram,
} from './sources.js';

const FOLDER = join(ROOT, 'mappings');
const shipped = (file: string) => mappingOf(readFileSync(join(FOLDER, file), 'utf8'), file);

const BLUEZ_MOCK = 'org.bluez.Mock';
const BLUETOOTH: Mock['objects'] = [
  ['/', { interface: BLUEZ_MOCK, member: 'AddAdapter', signature: 'ss', body: ['hci0', 'a'] }],
  [
    '/',
    {
      interface: BLUEZ_MOCK,
      member: 'AddDevice',
      signature: 'sss',
      body: ['hci0', '00:11:22:33:44:55', 'd'],
    },
  ],
];

/** By file: where the truth about the service comes from. */
const SOURCES: Readonly<Record<string, readonly Source[]>> = {
  'at-spi-bus.yaml': [
    liveService({
      command: ['/usr/libexec/at-spi-bus-launcher'],
      debianPackage: 'at-spi2-core',
      name: 'org.a11y.Bus',
      paths: ['/org/a11y/bus'],
    }),
  ],
  'at-spi.yaml': [textInProgram('/usr/libexec/at-spi2-registryd', 'at-spi2-core')],
  'avahi.yaml': [recorded('avahi.xml')],
  'bluez.yaml': [
    recorded('bluez.xml'),
    mock({
      template: 'bluez5',
      name: 'org.bluez',
      paths: ['/org/bluez', '/org/bluez/hci0', '/org/bluez/hci0/dev_00_11_22_33_44_55'],
      objects: BLUETOOTH,
    }),
  ],
  'dconf.yaml': [
    liveService({
      command: ['/usr/libexec/dconf-service'],
      debianPackage: 'dconf-service',
      name: 'ca.desrt.dconf',
      paths: ['/ca/desrt/dconf/Writer/user'],
    }),
  ],
  'logind.yaml': [systemdDaemon('/lib/systemd/systemd-logind')],
  'mpris.yaml': [
    liveService({
      command: ['playerctld'],
      debianPackage: 'playerctl',
      name: 'org.mpris.MediaPlayer2.playerctld',
      paths: ['/org/mpris/MediaPlayer2'],
    }),
  ],
  'networkmanager.yaml': [
    interfaceFiles(
      /^org\.freedesktop\.NetworkManager\./,
      'network-manager-dev',
      'org.freedesktop.NetworkManager.xml',
    ),
  ],
  'notifications.yaml': [
    mock({
      template: 'notification_daemon',
      name: 'org.freedesktop.Notifications',
      paths: ['/org/freedesktop/Notifications'],
    }),
  ],
  'polkit.yaml': [
    mock({
      template: 'polkitd',
      name: 'org.freedesktop.PolicyKit1',
      paths: ['/org/freedesktop/PolicyKit1/Authority'],
    }),
  ],
  'portals.yaml': [
    interfaceFiles(
      /^org\.freedesktop\.portal\./,
      'xdg-desktop-portal-dev',
      'org.freedesktop.portal.Request.xml',
    ),
  ],
  'screensaver.yaml': [
    recorded('screensaver.xml'),
    mock({
      template: 'gnome_screensaver',
      name: 'org.gnome.ScreenSaver',
      paths: ['/org/gnome/ScreenSaver'],
    }),
  ],
  'secret-service.yaml': [recorded('secret-service.xml')],
  'systemd.yaml': [systemdDaemon('/lib/systemd/systemd')],
  'upower.yaml': [
    interfaceFiles(/^org\.freedesktop\.UPower\./, 'upower', 'org.freedesktop.UPower.xml'),
  ],
};

test('every mapping has a source', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
  expect(files.toSorted()).toEqual(Object.keys(SOURCES).toSorted());
});

test('they can be used together', () => {
  const mappings = Object.keys(SOURCES).map((file) => shipped(file));
  expect(lintMappings(mappings).map((one) => formatDiagnostic(one))).toEqual([]);
});

for (const [file, sources] of Object.entries(SOURCES)) {
  describeWith(
    sources.flatMap(({ software }) => software),
    file,
    () => {
      test('says what the service offers', async () => {
        const nodes = (await Promise.all(sources.map((source) => source.read()))).flat();
        const findings = checkMapping(shipped(file), interfacesIn(nodes), { isComplete: true });
        expect(findings.map((one) => formatDiagnostic(one))).toEqual([]);
      });
    },
  );
}

// Avahi and the screen saver come with packages that nobody should need for a test.
describe('what has been recorded is what is installed, where it is', () => {
  test.each([
    ['avahi.xml', /^org\.freedesktop\.Avahi\./],
    ['screensaver.xml', /^kf5_org\.freedesktop\.ScreenSaver\.xml$/],
  ])('%s', async (name, pattern) => {
    const installed = interfacesIn(installedInterfaces(pattern));
    const known = interfacesIn(await recorded(name).read());
    for (const [interfaceName, { methods, signals }] of installed) {
      const there = known.get(interfaceName);
      expect(typesOf(there?.methods)).toEqual(typesOf(methods));
      expect(typesOf(there?.signals)).toEqual(typesOf(signals));
    }
  });
});

function typesOf(members: readonly (Method | Signal)[] = []): string[] {
  const types = (args: readonly Argument[]): string => args.map(({ type }) => type).join('');
  return members.map((member) =>
    'args' in member
      ? `${member.name}(${types(member.args)})`
      : `${member.name}(${types(member.in)}) -> ${types(member.out)}`,
  );
}

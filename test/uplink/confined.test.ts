// Who would pass for the bridge on the other bus, and may not.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid } from '#core/linux/index.js';
import { confinementOf, reachOf } from '#bridge/uplink/confinement.js';
import { type TestContext, afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith, needs, run } from '../support/bus.js';
import { skipBecause } from '../support/software.js';
import { Bridge } from './bridge.js';
import { OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';

const UID = 1000;
const PID = 42;

/** What the kernel tells about a process, in a folder. */
function procWith(files: { cgroup?: string; flatpakInfo?: string; root?: string }): string {
  const proc = mkdtempSync(join(tmpdir(), 'proc-'));
  const folder = join(proc, `${PID}`);
  mkdirSync(folder);
  if (files.cgroup !== undefined) writeFileSync(join(folder, 'cgroup'), files.cgroup);
  if (files.flatpakInfo === undefined) symlinkSync(files.root ?? '/', join(folder, 'root'));
  else {
    mkdirSync(join(folder, 'root'));
    writeFileSync(join(folder, 'root/.flatpak-info'), files.flatpakInfo);
  }
  return proc;
}

const NOBODY_KNOWN = {
  uid: UID,
  gid: UID,
  pid: PID,
  groups: undefined,
  pidFd: undefined,
  securityLabel: undefined,
  atConsole: false,
  origin: undefined,
};
const USER_SCOPE = '0::/user.slice/user-1000.slice/user@1000.service/app.slice';

describe('how a client is confined', () => {
  test.each([
    {
      what: 'a program of the user',
      credentials: {},
      files: { cgroup: `${USER_SCOPE}/vte.scope\n` },
      key: undefined,
    },
    {
      what: 'a process that cannot be looked at',
      credentials: {},
      files: { root: '/nowhere' },
      key: undefined,
    },
    { what: 'a program of another user', credentials: { uid: 1001 }, files: {}, key: 'uid:1001' },
    {
      what: 'a client without credentials',
      credentials: { pid: undefined },
      files: {},
      key: 'unknown',
    },
    {
      what: 'a Flatpak application, by its file',
      credentials: {},
      files: { flatpakInfo: '[Application]\nname=com.example.App\nruntime=x\n' },
      key: 'flatpak:com.example.App',
    },
    {
      what: 'a Flatpak application, by its scope',
      credentials: {},
      files: { cgroup: `${USER_SCOPE}/app-flatpak-com.example.App-4711.scope\n` },
      key: 'flatpak:com.example.App',
    },
    {
      what: 'a snap',
      credentials: {},
      files: { cgroup: `${USER_SCOPE}/snap.firefox.firefox-1c2d.scope\n` },
      key: 'snap:firefox',
    },
    { what: 'a container', credentials: {}, files: { root: '/usr' }, key: 'root:/usr' },
  ])('$what: $key', ({ credentials, files, key }) => {
    const proc = procWith(files);
    const confinement = confinementOf({ ...NOBODY_KNOWN, ...credentials }, UID, proc);
    expect(confinement?.key).toBe(key);
    rmSync(proc, { recursive: true });
  });

  test.each([
    { client: 'snap:firefox', reaches: true },
    { client: 'snap:*', reaches: true },
    { client: '*', reaches: true },
    { client: 'snap:chromium', reaches: false },
    { client: 'flatpak:*', reaches: false },
  ])('a grant for $client lets snap:firefox reach its names: $reaches', ({ client, reaches }) => {
    const reach = reachOf({ key: 'snap:firefox', text: '' }, [
      { client, names: ['org.example.*'] },
    ]);
    expect(reach.matches('org.example.Name')).toBe(reaches);
    expect(reach.matches('com.example.Name')).toBe(false);
  });
});

const OTHER_UID = 65534;
const SOFTWARE = [
  ...OLD_BUS_SOFTWARE['dbus-daemon'],
  needs('setpriv', 'util-linux'),
  needs('dbus-test-tool', 'dbus-bin'),
];

/** A mapping of one name, which lets the other user through. */
const MAPPING = `service: Granted
bus: session
names:
  org.example.Granted: main
objects:
  main:
    path: /
    interfaces: [org.example.Granted]
uplinks:
  allow: ['uid:${OTHER_UID}']
`;

describeWith(SOFTWARE, 'a client of another user', () => {
  const NAME = 'org.example.Old';
  const GRANTED = 'org.example.Granted';
  let old: OldBus;
  let bridge: Bridge;
  beforeAll(async () => {
    old = await OldBus.start('dbus-daemon');
    const mapping = join(old.folder, 'mapping.yaml');
    writeFileSync(mapping, MAPPING);
    bridge = await Bridge.attach(old, { imports: [NAME], args: ['--mapping', mapping] });
  });
  afterAll(async () => {
    await bridge.stop();
    await old.stop();
  });

  const runAs = (context: TestContext, to: Bridge, program: string, words: readonly string[]) => {
    if (getuid() !== 0) skipBecause(context, 'only root can become somebody else');
    const as = [`--reuid=${OTHER_UID}`, '--clear-groups', program, '--session', ...words];
    return run('setpriv', as, { env: to.env });
  };
  const callTo = (name: string): string[] => [
    '--print-reply',
    `--dest=${name}`,
    '/',
    'org.example.Old.Ask',
  ];

  test('is refused with the reason', async (context) => {
    const { stderr } = await runAs(context, bridge, 'dbus-send', callTo(NAME));
    expect(stderr).toMatch(/AccessDenied: :1\.\d+ may not talk to the bus at unix:path=/);
    expect(stderr).toContain(`it belongs to uid ${OTHER_UID}, the bridge to uid 0`);
    expect(stderr).toContain(`--allow-confined uid:${OTHER_UID}`);
  });

  test('reaches what a mapping lets it reach', async (context) => {
    const { stderr } = await runAs(context, bridge, 'dbus-send', callTo(GRANTED));
    expect(stderr).toContain('org.freedesktop.DBus.Error.ServiceUnknown');
  });

  test('cannot listen to what it must not reach, and is told so', async (context) => {
    const dbus = [
      '--print-reply',
      '--dest=org.freedesktop.DBus',
      '/',
      'org.freedesktop.DBus.AddMatch',
    ];
    const rule = (sender: string): string => `string:type='signal',sender='${sender}'`;
    const { stderr } = await runAs(context, bridge, 'dbus-send', [...dbus, rule(NAME)]);
    expect(stderr).toContain('AccessDenied');
    expect((await runAs(context, bridge, 'dbus-send', [...dbus, rule(GRANTED)])).code).toBe(0);
    const any = [...dbus, "string:type='signal'"];
    expect((await runAs(context, bridge, 'dbus-send', any)).code).toBe(0);
  });

  test('reaches everything if the command line says so', async (context) => {
    const args = ['--allow-confined', `uid:${OTHER_UID}`];
    const open = await Bridge.attach(old, { imports: [NAME], args });
    const { stderr } = await runAs(context, open, 'dbus-send', callTo(NAME));
    expect(stderr).toContain('org.freedesktop.DBus.Error.ServiceUnknown');
    await open.stop();
  });
});

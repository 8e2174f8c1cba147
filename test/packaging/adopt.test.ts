// What `bus1-bridge adopt` writes, in a root directory of its own.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { adopt, type AdoptOptions } from '#bridge/cli/adopt.js';
import { execStart } from '#bridge/cli/adopt-command.js';
import { BRIDGE } from '../control/daemon.js';
import { run } from '../support/process.js';

const SYSTEM = 'etc/systemd/system/dbus.service.d/50-bus1-bridge.conf';
const USER = 'etc/systemd/user/dbus.service.d/50-bus1-bridge.conf';
const ATTACH = 'etc/systemd/user/bus1-bridge-attach.service.d/50-bus1-bridge.conf';
const ATTACH_UNIT = 'usr/lib/systemd/user/bus1-bridge-attach.service';

let root: string;
let said: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bus1-adopt-'));
  said = [];
  for (const manager of ['system', 'user']) {
    mkdirSync(join(root, 'usr/lib/systemd', manager), { recursive: true });
    mkdirSync(join(root, 'etc/systemd', manager), { recursive: true });
    writeFileSync(join(root, 'usr/lib/systemd', manager, 'dbus.service'), '');
  }
  writeFileSync(join(root, ATTACH_UNIT), '');
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

const carryOut = (options: Omit<AdoptOptions, 'root'>): number =>
  adopt({ ...options, root }, (text) => said.push(text)).status;

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('only ExecStart is changed, and it says so before, and when it takes effect', () => {
  expect(carryOut({ system: true, user: true })).toBe(0);
  expect(read(SYSTEM)).toMatch(
    /^#.*\n\[Service\]\nExecStart=\nExecStart=\S.* --system --address=systemd: .*\n$/,
  );
  expect(read(USER)).toContain(' --session --address=systemd: ');
  expect(said.join('\n')).toMatch(/50-bus1-bridge\.conf:\n {4}#[^]*written; .* next boot/);
});

test('a root in which no directories can be made is an error, not a wait without end', async () => {
  const args = ['adopt', '--system', '--force', '--root', '/proc'];
  const { code, stderr } = await run(process.execPath, [BRIDGE, ...args]);
  expect(code).toBe(1);
  expect(stderr).toContain('cannot mkdir "/proc/etc": ENOENT (no such file or directory)');
});

test.each([
  ['system', /install the package dbus$/m],
  ['user', /install the package dbus, on Debian dbus-user-session$/m],
])('a missing dbus.service of the %s manager names the package that has it', (manager, text) => {
  rmSync(join(root, 'usr/lib/systemd', manager, 'dbus.service'));
  expect(carryOut({ [manager]: true })).toBe(1);
  expect(said.join('\n')).toMatch(text);
});

test('once more changes nothing; back takes away what it wrote, also once more', () => {
  carryOut({ system: true });
  const text = read(SYSTEM);
  expect(carryOut({ system: true })).toBe(0);
  expect(read(SYSTEM)).toBe(text);
  expect(carryOut({ system: true, back: true })).toBe(0);
  expect(readdirSync(join(root, 'etc/systemd/system'))).toEqual([]);
  expect(carryOut({ system: true, back: true })).toBe(0);
  expect(said.at(-1)).toContain('nothing to remove');
});

test('what an interrupted run left behind is in nobody’s way', () => {
  mkdirSync(join(root, 'etc/systemd/system/dbus.service.d'));
  writeFileSync(join(root, `${SYSTEM}.new`), 'half');
  expect(carryOut({ system: true })).toBe(0);
  carryOut({ system: true, back: true });
  expect(readdirSync(join(root, 'etc/systemd/system'))).toEqual([]);
});

test('names to import are options of the attached bus; others are refused', () => {
  expect(carryOut({ attach: ['org.example.A', 'org.example.b.*'] })).toBe(0);
  expect(read(ATTACH)).toContain('"BUS1_ATTACH=--import org.example.A --import org.example.b.*"');
  expect(() => carryOut({ attach: ['a.b" --export *'] })).toThrow(/is neither a bus name/);
});

test('without the unit of the attached bus, it says where npm has put it', () => {
  rmSync(join(root, ATTACH_UNIT));
  expect(carryOut({ attach: ['org.example.A'] })).toBe(1);
  const [, from] = /copy those in (\S*) to \S*etc\/systemd\/user$/m.exec(said[0] ?? '') ?? [];
  expect(from).toMatch(/\/packaging\/units$/);
  expect(existsSync(join(root, ATTACH))).toBe(false);
});

test('somebody else’s file stays', () => {
  mkdirSync(join(root, 'etc/systemd/system/dbus.service.d'));
  writeFileSync(join(root, SYSTEM), '[Service]\n');
  expect(() => carryOut({ system: true })).toThrow(/not written by bus1-bridge/);
  expect(() => carryOut({ system: true, back: true })).toThrow(/not written by bus1-bridge/);
  expect(read(SYSTEM)).toBe('[Service]\n');
});

test('in ExecStart, systemd reads the words of a path as they are', () => {
  expect(execStart(['/usr/bin/bus1-dbus-daemon'])).toBe('/usr/bin/bus1-dbus-daemon');
  expect(execStart(['/opt/my node/node', '/opt/100%/$a/"b"\\c.js'])).toBe(
    '"/opt/my node/node" "/opt/100%%/$$a/\\"b\\"\\\\c.js"',
  );
});

test('--check never takes anything away, and a root directory has a name', () => {
  carryOut({ system: true });
  expect(() => carryOut({ system: true, back: true, check: true })).toThrow(/only one of/);
  expect(read(SYSTEM)).toContain('ExecStart=');
  expect(() => adopt({ root: '', check: true }, () => {})).toThrow(/--root needs a directory/);
});

test('a folder in the place of the file is named', () => {
  mkdirSync(join(root, SYSTEM), { recursive: true });
  expect(() => carryOut({ system: true })).toThrow(`cannot read "${join(root, SYSTEM)}": EISDIR`);
});

test.each([
  ['masked', '/dev/null', /is masked/],
  [
    'another bus',
    '/usr/lib/systemd/system/dbus-broker.service',
    /an alias for dbus-broker\.service/,
  ],
])('where dbus.service is %s, nothing is written unless forced', (_what, target, message) => {
  symlinkSync(target, join(root, 'etc/systemd/system/dbus.service'));
  expect(carryOut({ system: true, check: true })).toBe(1);
  expect(carryOut({ system: true })).toBe(1);
  expect(said.join('\n')).toMatch(message);
  expect(existsSync(join(root, SYSTEM))).toBe(false);
  expect(carryOut({ system: true, force: true })).toBe(0);
  expect(existsSync(join(root, SYSTEM))).toBe(true);
});

test.each(['system', 'user'])('another bus by the links of a package: %s', (manager) => {
  const link = join(root, 'usr/lib/systemd', manager, 'dbus.service');
  rmSync(link);
  symlinkSync('dbus-broker.service', link);
  expect(carryOut({ [manager]: true })).toBe(1);
  expect(said.join('\n')).toContain(`${link} is an alias for dbus-broker.service, another bus`);
});

test.each(['etc', 'usr/lib'])('dbus-daemon under its other name is adopted: %s', (folder) => {
  const link = join(root, folder, 'systemd/system/dbus.service');
  rmSync(link, { force: true });
  symlinkSync('/usr/lib/systemd/system/dbus-daemon.service', link);
  expect(carryOut({ system: true })).toBe(0);
  expect(said[0]).toContain(SYSTEM);
});

test.each([
  ['masked', '/dev/null', /dbus\.service is masked: .* systemctl --user unmask dbus\.service/],
  ['another bus', '/usr/lib/systemd/user/dbus-broker.service', /an alias for dbus-broker/],
])('a user’s own dbus.service is seen: %s', (_what, target, message) => {
  const units = join(root, 'config/systemd/user');
  mkdirSync(units, { recursive: true });
  symlinkSync(target, join(units, 'dbus.service'));
  vi.spyOn(process, 'getuid').mockReturnValue(1000);
  vi.stubEnv('XDG_CONFIG_HOME', join(root, 'config'));
  const { status } = adopt({ user: true, check: true, root: '/' }, (text) => said.push(text));
  expect(status).toBe(1);
  expect(said.join('\n')).toMatch(message);
});

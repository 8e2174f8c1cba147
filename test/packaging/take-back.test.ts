// Before a package is removed, what adopt wrote goes: the next boot would start a program that is not there.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { adopt } from '#bridge/cli/adopt.js';
import { ROOT } from '../support/bus-command.js';

const TAKE_BACK = join(ROOT, 'packaging/take-back.sh');

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bus1-take-back-'));
});

afterEach(() => rmSync(root, { recursive: true }));

test('all that adopt writes for a system goes, without Node', () => {
  const attach = ['org.example.A'];
  for (const options of [{ system: true, user: true } as const, { attach }]) {
    adopt({ ...options, force: true, root }, () => {});
  }
  const said = execFileSync(TAKE_BACK, [root], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  });
  expect(said.match(/^removed .*50-bus1-bridge\.conf$/gm)).toHaveLength(3);
  for (const unit of ['system/dbus', 'user/dbus', 'user/bus1-bridge-attach']) {
    expect(existsSync(join(root, 'etc/systemd', `${unit}.service.d`))).toBe(false);
  }
  expect(execFileSync(TAKE_BACK, [root], { encoding: 'utf8' })).toBe('');
});

test('a file that adopt did not write stays, and so does the package', () => {
  const file = join(root, 'etc/systemd/system/dbus.service.d/50-bus1-bridge.conf');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '[Service]\n');
  const { status, stderr } = spawnSync(TAKE_BACK, [root], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toBe(`${file} was not written by bus1-bridge: not removed\n`);
  expect(readFileSync(file, 'utf8')).toBe('[Service]\n');
});

test.each([
  ['deb.mjs', /"\$1" = remove .*\/usr\/lib\/bus1-bridge\/take-back;.*[^]*?'DEBIAN\/prerm'/],
  [
    'rpm/bus1-bridge.spec',
    /^%preun\nif \[ \$1 -eq 0 \]; then %\{_prefix\}\/lib\/%\{name\}\/take-back;/m,
  ],
  ['arch/bus1-bridge.install', /^pre_remove\(\) \{\n {2}\/usr\/lib\/bus1-bridge\/take-back$/m],
])('packaging/%s runs it before removal', (file, words) => {
  expect(readFileSync(join(ROOT, 'packaging', file), 'utf8')).toMatch(words);
});

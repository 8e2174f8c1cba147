// What packaging/install.sh lays out for a distribution's package runs, and needs nothing but Node and a C library.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { run } from '../support/process.js';

const LAUNCHERS = 'dist/bridge/cli';

let stage: string;
let files: string[];

beforeAll(() => {
  stage = mkdtempSync(join(tmpdir(), 'bus1-install-'));
  const script = join(ROOT, 'packaging/install.sh');
  execFileSync('sh', [script, ROOT, join(ROOT, 'node_modules'), stage]);
  files = readdirSync(stage, { recursive: true, encoding: 'utf8' });
});

afterAll(() => rmSync(stage, { recursive: true }));

// Without the launcher, NODE_OPTIONS or a limit of address space ends Node before the first line of ours.
test.each(['bus1-bridge', 'bus1-dbus-daemon'])('%s is a link to the launcher', (program) => {
  const target = readlinkSync(join(stage, 'usr/bin', program));
  expect(target).toBe(`../lib/bus1-bridge/${LAUNCHERS}/${program}`);
  const script = readFileSync(join(stage, 'usr/lib/bus1-bridge', LAUNCHERS, program), 'utf8');
  expect(script).toBe(readFileSync(join(ROOT, 'packaging/launcher.sh'), 'utf8'));
});

test('a bus runs, with nothing of ours beside it', async () => {
  const args = ['run', '--', 'sh', '-c', 'echo "$DBUS_SESSION_BUS_ADDRESS"'];
  const { code, stdout, stderr } = await run(join(stage, 'usr/bin/bus1-bridge'), args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^unix:/);
});

// rpm makes the C library that a shared object names a dependency of the package.
test('there is one native part, for glibc, and no source', () => {
  const native = files.filter((path) => path.endsWith('.node'));
  expect(native).toHaveLength(1);
  expect(native[0]).toContain(`/linux_${process.arch}/`);
  expect(files.filter((path) => /\.(?:cc|hh|S|map|d\.ts)$/.test(path))).toEqual([]);
});

test.each(['deb.mjs', 'rpm/bus1-bridge.spec', 'arch/PKGBUILD'])('packaging/%s uses it', (file) => {
  expect(readFileSync(join(ROOT, 'packaging', file), 'utf8')).toContain('packaging/install.sh');
});

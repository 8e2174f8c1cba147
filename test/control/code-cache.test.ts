// What V8 made of a program's code is kept in a folder that is the user's own, or not at all.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const PROGRAM = resolve('dist/bridge/cli/bus1-bridge.js');
const DAEMON = resolve('dist/bridge/cli/bus1-dbus-daemon.js');
/** Some user who is not the superuser: of the latter the folder is always the same. */
const UID = 65_534;

/** Runs a command that ends, as that user; returns the names that are in the folder then. */
function start(cache: string): string[] {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', XDG_CACHE_HOME: cache };
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, '--help'], {
    uid: UID,
    gid: UID,
    env,
    cwd: '/',
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return names(cache);
}

function names(cache: string): string[] {
  try {
    return readdirSync(join(cache, 'bus1-bridge')).toSorted();
  } catch {
    return [];
  }
}

/** A bus with two further hosts, as that user, from its start to its end. */
async function runBus(cache: string): Promise<void> {
  const env = {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    XDG_CACHE_HOME: cache,
    XDG_RUNTIME_DIR: cache,
    BUS1_HOSTS: '2',
  };
  const words = [
    DAEMON,
    '--session',
    `--address=unix:path=${cache}/bus`,
    '--nofork',
    '--print-address',
  ];
  const bus = spawn(process.execPath, words, {
    uid: UID,
    gid: UID,
    env,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(bus.stdout, 'data');
  bus.kill();
  await once(bus, 'exit');
}

/** A file that is written anew gets another. */
function inodes(cache: string): [string, number][] {
  return names(cache).map((name) => [name, statSync(join(cache, 'bus1-bridge', name)).ino]);
}

/** V8's tag of its version and flags, in a Node that was started with these. */
function tagOfNode(...flags: string[]): string {
  const print = "require('node:v8').cachedDataVersionTag().toString(16)";
  return spawnSync(process.execPath, [...flags, '-p', print], { encoding: 'utf8' }).stdout.trim();
}

function emptyCache(): string {
  const cache = mkdtempSync(join(tmpdir(), 'code-cache-'));
  chownSync(cache, UID, UID);
  return cache;
}

function folder(cache: string, mode: number, uid: number): void {
  mkdirSync(join(cache, 'bus1-bridge'));
  chmodSync(join(cache, 'bus1-bridge'), mode);
  chownSync(join(cache, 'bus1-bridge'), uid, uid);
}

describe.runIf(process.getuid?.() === 0)('the code that V8 made', () => {
  test('is kept once, and found by the next start', () => {
    const cache = emptyCache();
    const [name] = start(cache);
    expect(name).toMatch(/^bridge-main-v\d+\.\d+\.\d+-\w+-[0-9a-f]+-[0-9a-f]{16}$/);
    const bytes = readFileSync(join(cache, 'bus1-bridge', name));
    expect(start(cache)).toEqual([name]);
    expect(readFileSync(join(cache, 'bus1-bridge', name)).equals(bytes)).toBe(true);
  });

  test('of a bus and of its hosts is found by the next start, too', async () => {
    const cache = emptyCache();
    await runBus(cache);
    const kept = inodes(cache);
    /* Node 24 rejects its own cached code, too, when V8's flags are others than when Node was built */
    const tags = new Set([`daemon ${tagOfNode()}`, `data-plane ${tagOfNode()}`]);
    tags.add(`data-plane ${tagOfNode('--max-semi-space-size=1')}`);
    expect(new Set(kept.map(([name]) => name.replace(/-v.*-(\w+)-\w+$/, ' $1')))).toEqual(tags);
    await runBus(cache);
    expect(inodes(cache)).toEqual(kept);
  });

  test('is made again when what was kept is broken', () => {
    const cache = emptyCache();
    const [name] = start(cache);
    writeFileSync(join(cache, 'bus1-bridge', name), 'nonsense');
    expect(start(cache)).toEqual([name]);
    expect(readFileSync(join(cache, 'bus1-bridge', name)).length).toBeGreaterThan(1000);
  });

  test('of an earlier build is removed', () => {
    const cache = emptyCache();
    folder(cache, 0o700, UID);
    const before = start(emptyCache())[0].replace(/[0-9a-f]{16}$/, '0123456789abcdef');
    writeFileSync(join(cache, 'bus1-bridge', before), '');
    utimesSync(join(cache, 'bus1-bridge', before), 0, 0);
    expect(start(cache)).not.toContain(before);
  });

  test.each([
    ['others can read', 0o755, UID],
    ['others can write', 0o720, UID],
    ['somebody else owns', 0o700, 0],
  ])('is not kept in a folder that %s', (_, mode, uid) => {
    const cache = emptyCache();
    folder(cache, mode, uid);
    expect(start(cache)).toEqual([]);
  });

  test('that cannot be kept any more when the program ends is no error', () => {
    const cache = emptyCache();
    const bus = ['run', '--address', `unix:path=${cache}/bus`, '--log-level', 'error'];
    const { status, stderr } = spawnSync(
      process.execPath,
      [PROGRAM, ...bus, '--', 'chmod', '0', join(cache, 'bus1-bridge')],
      {
        uid: UID,
        gid: UID,
        env: { PATH: process.env['PATH'], HOME: '/nonexistent', XDG_CACHE_HOME: cache },
        cwd: '/',
        encoding: 'utf8',
      },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('is not kept where there is no home', () => {
    expect(start('/nonexistent')).toEqual([]);
  });
});

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CookieKeyring, CookieKeyringError } from '#bridge/control/cookie-keyring.js';
import type { Cookie } from '#bridge/sasl/cookie.js';
import { isCookieContext } from '#bridge/sasl/cookie.js';

const UID = process.getuid?.() ?? 0;
const NOON = 1_700_000_000;
const CONTEXT = 'org_freedesktop_general';

let home: string;
let directory: string;
let file: string;
let nowSeconds: number;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'keyring-'));
  directory = join(home, '.dbus-keyrings');
  file = join(directory, CONTEXT);
  nowSeconds = NOON;
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function keyring(uid = UID): CookieKeyring {
  return new CookieKeyring({
    directory,
    uid,
    userName: 'alice',
    randomBytes,
    nowSeconds: () => nowSeconds,
  });
}

function issued(ring = keyring()): Cookie {
  const cookie = ring.issue();
  if (cookie instanceof Error) throw cookie;
  return cookie;
}

function writeRing(...lines: string[]): void {
  mkdirSync(directory, { mode: 0o700 });
  writeFileSync(file, lines.join('\n'), { mode: 0o600 });
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('the keyring', () => {
  test('creates a directory and a file for the user alone', () => {
    const cookie = issued();
    expect([modeOf(directory), modeOf(file)]).toEqual(['700', '600']);
    expect(readFileSync(file, 'utf8')).toBe(`${cookie.id} ${NOON} ${cookie.secret}\n`);
    expect(cookie.secret).toMatch(/^[0-9a-f]{48}$/u);
    expect(readdirSync(directory)).toEqual([CONTEXT]);
  });

  test('issues the same cookie for five minutes and accepts it for two more', () => {
    const first = issued();
    nowSeconds = NOON + 299;
    expect(issued().id).toBe(first.id);
    nowSeconds = NOON + 300;
    const second = issued();
    expect(second.id).not.toBe(first.id);
    nowSeconds = NOON + 420;
    expect(keyring().find(CONTEXT, first.id)).toBe(first.secret);
    nowSeconds = NOON + 421;
    expect(keyring().find(CONTEXT, first.id)).toBeUndefined();
    expect(keyring().find(CONTEXT, second.id)).toBe(second.secret);
  });

  test('drops what has expired when it writes', () => {
    issued();
    nowSeconds = NOON + 1000;
    const fresh = issued();
    expect(readFileSync(file, 'utf8')).toBe(`${fresh.id} ${NOON + 1000} ${fresh.secret}\n`);
  });

  test('skips lines that are no cookies, or come from the future', () => {
    writeRing(
      '1 1700000000 c0ffee',
      'x 1700000000 c0ffee',
      '2 x c0ffee',
      '3 1700000000',
      '4 1700000000 c0ffe',
      '-5 1700000000 c0ffee',
      '2147483648 1700000000 c0ffee',
      `6 ${NOON + 301} c0ffee`,
      `7 ${NOON + 300} C0FFEE`,
    );
    const found = [1, 2, 3, 4, 5, 2147483648, 6, 7].filter((id) => {
      return keyring().find(CONTEXT, id) !== undefined;
    });
    expect(found).toEqual([1, 7]);
    expect(keyring().find(CONTEXT, 7)).toBe('c0ffee');
  });

  test('keeps no more than 256 cookies', () => {
    const old = Array.from({ length: 400 }, (_, id) => `${id} ${NOON - 400} c0ffee`);
    writeRing(...old);
    const cookie = issued();
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(256);
    expect(lines.at(-1)).toContain(cookie.secret);
  });

  test('uses no directory that others can read', () => {
    writeRing(`1 ${NOON} c0ffee`);
    chmodSync(directory, 0o750);
    const error = keyring().issue();
    expect(error).toBeInstanceOf(CookieKeyringError);
    expect(error).toMatchObject({ code: 'keyring-not-private' });
    expect(keyring().find(CONTEXT, 1)).toBeUndefined();
  });

  test('uses no directory of somebody else', () => {
    writeRing();
    expect(keyring(UID + 1).issue()).toMatchObject({ code: 'keyring-not-private' });
  });

  test('makes no home, as libdbus makes none', () => {
    rmSync(home, { recursive: true });
    expect(keyring().issue()).toMatchObject({ code: 'keyring-io' });
    expect(existsSync(home)).toBe(false);
  });

  test('waits for no lock for long, and takes an abandoned one away', () => {
    writeRing();
    const lock = `${file}.lock`;
    writeFileSync(lock, '');
    utimesSync(lock, NOON - 7, NOON - 7);
    expect(keyring().issue()).toMatchObject({ code: 'keyring-locked' });
    utimesSync(lock, NOON - 9, NOON - 9);
    expect(issued().secret).toHaveLength(48);
    expect(existsSync(lock)).toBe(false);
  });

  test('reports a disk that does not cooperate', () => {
    writeFileSync(directory, 'a file, not a directory');
    expect(keyring().issue()).toMatchObject({ code: 'keyring-io' });
  });

  test('belongs to one user', () => {
    const owners = ['alice', String(UID), 'bob', ''].map((user) => keyring().ownerUid(user));
    expect(owners).toEqual([UID, UID, undefined, undefined]);
  });
});

test.each([
  ['org_freedesktop_general', true],
  ['foo', true],
  ['', false],
  ['.foo', false],
  ['bar.foo', false],
  ['bar/foo', false],
  ['bar\\foo', false],
  ['foo bar', false],
  ['foo\tbar', false],
  ['foo\nbar', false],
  ['foo\u0080', false],
  ['foo\0', false],
])('context %j: %s', (context, isValid) => {
  expect(isCookieContext(context)).toBe(isValid);
});

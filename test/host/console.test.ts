import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ConsolePaths, isAtConsole } from '#bridge/host/console.js';

let folder: string;
let paths: ConsolePaths;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bus1-console-'));
  paths = { consoleDirectory: join(folder, 'console'), usersDirectory: join(folder, 'users') };
  mkdirSync(paths.consoleDirectory);
  mkdirSync(paths.usersDirectory);
});
afterEach(() => rmSync(folder, { recursive: true }));

test('nobody sits there when nothing is written down', () => {
  expect(isAtConsole(1000, 'ada', paths)).toBe(false);
  expect(isAtConsole(1000, undefined, { consoleDirectory: '/none', usersDirectory: '/none' })).toBe(
    false,
  );
});

test('a file by the name of the user, as for dbus-daemon', () => {
  writeFileSync(join(paths.consoleDirectory, 'ada'), '');
  expect(isAtConsole(1000, 'ada', paths)).toBe(true);
  expect(isAtConsole(1001, 'bob', paths)).toBe(false);
});

test.each([
  ['NAME=ada\nSTATE=active\nSEATS=seat0\n', true],
  ['NAME=ada\nSTATE=online\nSEATS=\n', false],
  ['NAME=ada\nONLINE_SEATS=seat0\n', false],
])('what systemd-logind writes: %j', (state, expected) => {
  writeFileSync(join(paths.usersDirectory, '1000'), state);
  expect(isAtConsole(1000, 'ada', paths)).toBe(expected);
});

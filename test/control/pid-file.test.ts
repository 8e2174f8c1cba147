import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderOfTest, openConfig, runDaemon, startDaemon, writeConfig } from './daemon.js';

function scene(): { folder: string; pidFile: string; config: string; args: string[] } {
  const folder = folderOfTest();
  const pidFile = join(folder, 'pid');
  const config = writeConfig(folder, openConfig(`<pidfile>${pidFile}</pidfile>`));
  return { folder, pidFile, config, args: [`--address=unix:path=${folder}/bus`] };
}

test('has the pid of the bus, and goes with it', async () => {
  const { pidFile, ...options } = scene();
  const { program } = await startDaemon(options);
  expect(readFileSync(pidFile, 'utf8')).toBe(`${program.pid}\n`);
  await program.stop();
  expect(existsSync(pidFile)).toBe(false);
});

test('of another bus stops this one before it touches anything', async () => {
  const { pidFile, ...options } = scene();
  writeFileSync(pidFile, '1\n');
  const { code, stderr } = await runDaemon(options);
  expect(code).toBe(1);
  expect(stderr).toBe(
    `bus1-dbus-daemon: the pid file ${pidFile} exists; if no bus is running, remove the file\n`,
  );
  expect(readFileSync(pidFile, 'utf8')).toBe('1\n');
  expect(existsSync(join(options.folder, 'bus'))).toBe(false);
});

test('is not written with --nopidfile', async () => {
  const { pidFile, ...options } = scene();
  const { program } = await startDaemon({ ...options, args: [...options.args, '--nopidfile'] });
  expect(existsSync(pidFile)).toBe(false);
  await program.stop();
});

test('in a folder that does not exist is an error that leaves no socket', async () => {
  const { folder, args } = scene();
  const config = writeConfig(folder, openConfig('<pidfile>/nowhere/pid</pidfile>'));
  const { code, stderr } = await runDaemon({ folder, config, args });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^bus1-dbus-daemon: cannot write the pid file: ENOENT[^\n]*\n$/);
  expect(existsSync(join(folder, 'bus'))).toBe(false);
});

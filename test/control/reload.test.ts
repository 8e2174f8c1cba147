import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MessageBus } from 'dbus-next';
import { expect, onTestFinished, test } from 'vitest';
import { callBus, connect } from '../support/names.js';
import type { Program } from '../support/process.js';
import { folderOfTest, startDaemon, writeConfig } from './daemon.js';

const NAME = 'org.example.Reload';

function config(own: 'allow' | 'deny', more = ''): string {
  return `<busconfig>
    <policy context="default">
      <allow send_destination="*"/><allow receive_sender="*"/>
      <${own} own="*"/>
    </policy>
    ${more}
  </busconfig>`;
}

/** Asks for the name, and gives it back: 'allowed', or the error. */
async function tryToOwn(bus: MessageBus): Promise<string> {
  try {
    await callBus(bus, 'RequestName', 'su', [NAME, 4]);
  } catch (error) {
    return error instanceof Error && 'type' in error ? String(error.type) : String(error);
  }
  await callBus(bus, 'ReleaseName', 's', [NAME]);
  return 'allowed';
}

interface Scene {
  folder: string;
  file: string;
  program: Program;
  bus: MessageBus;
}

async function scene(text: string, prepare: (folder: string) => void = () => {}): Promise<Scene> {
  const folder = folderOfTest();
  prepare(folder);
  const file = writeConfig(folder, text);
  const args = [`--address=unix:path=${folder}/bus`];
  const { program, address } = await startDaemon({ folder, config: file, args });
  const bus = await connect(address);
  onTestFinished(() => bus.disconnect());
  return { folder, file, program, bus };
}

/** As editors and package managers do it. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

const RELOADED = /configuration reloaded/;
const KEPT = /the bus keeps its previous configuration/;
const DENIED = 'org.freedesktop.DBus.Error.AccessDenied';

test('SIGHUP changes what a connection that is open may own', async () => {
  const { file, program, bus } = await scene(config('deny'));
  expect(await tryToOwn(bus)).toBe(DENIED);
  // Nothing watches a file by another name, so that only the signal can be the cause.
  replace(file, config('allow'));
  program.kill('SIGHUP');
  await program.waitForLine(RELOADED, 'stderr');
  expect(await tryToOwn(bus)).toBe('allowed');
});

test('a changed file is noticed', async () => {
  const { file, program, bus } = await scene(config('allow'));
  expect(await tryToOwn(bus)).toBe('allowed');
  replace(file, config('deny'));
  await program.waitForLine(RELOADED, 'stderr');
  expect(await tryToOwn(bus)).toBe(DENIED);
});

test('a file that appears in an <includedir> is noticed', async () => {
  const { folder, program, bus } = await scene(
    config('allow', '<includedir>rules.d</includedir>'),
    (where) => mkdirSync(join(where, 'rules.d')),
  );
  replace(join(folder, 'rules.d', 'strict.conf'), config('deny'));
  await program.waitForLine(RELOADED, 'stderr');
  expect(await tryToOwn(bus)).toBe(DENIED);
});

test('a file that cannot be parsed changes nothing, and its line is logged', async () => {
  const { file, program, bus } = await scene(config('deny'));
  replace(file, '<busconfig>\n<policy');
  program.kill('SIGHUP');
  const line = await program.waitForLine(KEPT, 'stderr');
  expect(line).toContain(`${file}:2:`);
  expect(await tryToOwn(bus)).toBe(DENIED);
  replace(file, config('allow'));
  await program.waitForLine(RELOADED, 'stderr');
  expect(await tryToOwn(bus)).toBe('allowed');
});

test('a limit counts from the reload on', async () => {
  const { file, program, bus } = await scene(config('allow'));
  replace(file, config('allow', '<limit name="max_names_per_connection">0</limit>'));
  await program.waitForLine(RELOADED, 'stderr');
  expect(await tryToOwn(bus)).toBe('org.freedesktop.DBus.Error.LimitsExceeded');
  expect(existsSync(file)).toBe(true);
});

test('mediation that only a start can refuse is reported, and the rest applies', async () => {
  const { file, program, bus } = await scene(config('deny'));
  replace(file, config('allow', '<apparmor mode="required"/>'));
  await program.waitForLine(/AppArmor mediation is required/, 'stderr');
  await program.waitForLine(RELOADED, 'stderr');
  expect(await tryToOwn(bus)).toBe('allowed');
});

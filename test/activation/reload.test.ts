import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningBus, sessionConfig, startBus } from '../support/bus.js';
import { openFolder } from '../support/bus-command.js';
import { ErrorReply, RawClient } from '../support/raw-client.js';
import { BUS, ERROR, errorOf } from './activating-bus.js';
import { WatchedBus } from '../host/watched-bus.js';

const DRIVER = { destination: BUS, path: '/org/freedesktop/DBus', interface: BUS };

let folder: string;
let config: string;
let bus: RunningBus;
let client: RawClient;

const write = (elements: string): void =>
  writeFileSync(config, sessionConfig(`unix:path=${folder}/bus`, elements));

beforeEach(async () => {
  folder = openFolder('reload-test-');
  config = join(folder, 'bus.conf');
  for (const [directory, name] of [
    ['old', 'org.example.Old'],
    ['new', 'org.example.New'],
  ]) {
    mkdirSync(join(folder, directory));
    const file = join(folder, directory, `${name}.service`);
    writeFileSync(file, `[D-BUS Service]\nName=${name}\nExec=/bin/false\n`);
  }
  write(`<servicedir>${folder}/old</servicedir>`);
  bus = await startBus({ config, env: { BUS1_LOG: 'info' } });
  client = RawClient.open(bus.address);
});
afterEach(async () => {
  client.close();
  await bus.stop();
});

test('ReloadConfig answers when the new configuration is in force', () => {
  expect(client.callBus('ListActivatableNames')).toEqual([[BUS, 'org.example.Old']]);
  write(`<servicedir>${folder}/new</servicedir>
    <policy context="mandatory"><deny own="org.example.Denied"/></policy>`);
  expect(client.callBus('ReloadConfig')).toEqual([]);
  expect(client.callBus('ListActivatableNames')).toEqual([[BUS, 'org.example.New']]);
  expect(() => client.callBus('RequestName', 'su', ['org.example.Denied', 0])).toThrow(
    'not allowed to own',
  );
});

test('a configuration that is broken changes nothing, and the caller is told why', () => {
  writeFileSync(config, '<busconfig>\n<oops/>');
  expect(() => client.callBus('ReloadConfig')).toThrow(ErrorReply);
  expect(() => client.callBus('ReloadConfig')).toThrow(`${config}:`);
  expect(client.callBus('ListActivatableNames')).toEqual([[BUS, 'org.example.Old']]);
});

test.each([
  ['main file', () => rmSync(config)],
  ['file to include', () => write('<include>missing.conf</include>')],
])('a missing %s is FileNotFound, as in dbus-daemon', (_title, lose) => {
  lose();
  expect(errorOf(client, client.startCall({ destination: BUS, member: 'ReloadConfig' }))[0]).toBe(
    `${ERROR}.FileNotFound`,
  );
});

test('calls of ReloadConfig without end make no queue and few lines, which name the caller', async () => {
  const watched = WatchedBus.of(bus);
  for (let i = 0; i < 2000; i++) client.startCall({ ...DRIVER, member: 'ReloadConfig' });
  expect(client.callBus('ReloadConfig')).toEqual([]);
  /* what is logged after all that */
  client.send(new Uint8Array(16));
  await watched.complaint(({ name }) => name === client.uniqueName);
  const asked = watched.log().filter(({ msg }) => msg === 'ReloadConfig was called');
  const reloads = watched.log().filter(({ msg }) => msg === 'configuration reloaded');
  expect(new Set(asked.map(({ pid }) => pid))).toEqual(new Set([process.pid]));
  /* 20 in ten seconds: two budgets, if those seconds were over in between */
  expect(asked.length).toBeLessThanOrEqual(40);
  expect(reloads.length).toBeGreaterThan(0);
  expect(reloads.length).toBeLessThanOrEqual(40);
});

// A message in whose translation a fault is come upon is given back: its caller gets NoReply, and nothing stays behind.
import { join as joinPath } from 'node:path';
import dbus from 'dbus-next';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { join, type Bus, type Capability } from '#bridge/client/index.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { connect } from '../support/names.js';
import { start, type Program } from '../support/process.js';
import { Desk, NAME } from '../translation/desk.js';
import { figuresAtRest } from '../translation/figures.js';

const FAULT = 'org.bus1.Fault';
const FOUND = /"why":"Error: a fault of ours/;

const folder = openFolder('faulty-');
const address = `unix:path=${joinPath(folder, 'bus')}`;
let bridge: Program;
let observer: dbus.MessageBus;
let desk: Desk;
let bus: Bus;
let handle: Capability;

beforeAll(async () => {
  const faulty = ['--import', joinPath(ROOT, 'test/regress/faulty-translation.mjs')];
  const program = joinPath(ROOT, 'build/bridge/cli/bus1-bridge.js');
  const mapping = joinPath(ROOT, 'test/translation/kept.yaml');
  const args = ['run', '--address', address, '--print-address', '--mapping', mapping];
  bridge = start(process.execPath, [...faulty, program, ...args], {
    env: cleanEnvironment(folder),
  });
  await bridge.waitForLine(/^unix:/);
  observer = await connect(address);
  desk = await Desk.start(address);
  bus = await join({ address });
  handle = await bus.resolve(NAME);
});
afterAll(async () => {
  bus.close();
  desk.stop();
  observer.disconnect();
  await bridge.stop();
});

/** A call of the service by a native peer. */
function ask(text: string): Promise<unknown> {
  return handle.call({ interface: NAME, member: 'Hear', signature: 's', body: [text] });
}

/** A call of the native peer by the service. */
function tell(text: string): Promise<unknown> {
  const fields = { destination: bus.uniqueName, path: '/', interface: NAME, member: 'Hear' };
  return desk.bus.call(new dbus.Message({ ...fields, signature: 's', body: [text] }));
}

test('calls end, and charges are given back', async () => {
  await ask('nothing');
  await expect(tell('nothing')).rejects.toThrow(/Hear|object|method/i);
  const before = await figuresAtRest(observer);
  await expect(ask(FAULT)).rejects.toThrow('was not answered');
  await bridge.waitForLine(FOUND, 'stderr');
  await expect(tell(FAULT)).rejects.toMatchObject({ type: 'org.freedesktop.DBus.Error.NoReply' });
  await bridge.waitForLine(FOUND, 'stderr');
  desk.say(desk.signal('one', 'Progress', FAULT));
  await bridge.waitForLine(FOUND, 'stderr');
  await ask('nothing');
  expect(await figuresAtRest(observer)).toEqual(before);
});

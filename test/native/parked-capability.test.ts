// What a native peer sends along to a service that has yet to be started: a native service gets it, and it is given
// back when the service does not start.
import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { implement, join, type Bus, type Capability } from '#bridge/client/index.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment, sessionConfig } from '../support/bus.js';
import { start, type Environment, type Program } from '../support/process.js';

const NAME = 'org.bus1.NeverStarts';
const WATCHER = 'org.bus1.Watcher';
const LATE = 'org.bus1.LateWatcher';
const Listener = {
  name: 'org.bus1.Listener',
  methods: { Changed: { in: '', out: '' } },
  signals: {},
  properties: {},
} as const;

const folder = openFolder('parked-capability-');
const address = `unix:path=${joinPath(folder, 'bus')}`;
/** The service LATE begins to start when somebody writes there. */
const gate = joinPath(folder, 'gate');
const env: Environment = { ...cleanEnvironment(folder), DBUS_SESSION_BUS_ADDRESS: address };
let bridge: Program;
let bus: Bus;

beforeAll(async () => {
  const config = joinPath(folder, 'bus.conf');
  writeFileSync(config, sessionConfig(address, `<servicedir>${folder}</servicedir>`));
  const service = `[D-BUS Service]\nName=${NAME}\nExec=/bin/false\n`;
  writeFileSync(joinPath(folder, `${NAME}.service`), service);
  const script = joinPath(ROOT, 'test/native/watcher.mjs');
  const watcher = `[D-BUS Service]\nName=${WATCHER}\nExec=${process.execPath} ${script} ${WATCHER}\n`;
  writeFileSync(joinPath(folder, `${WATCHER}.service`), watcher);
  execFileSync('mkfifo', [gate]);
  const waitAndStart = `read go < ${gate}; exec ${process.execPath} ${script} ${LATE}`;
  const late = `[D-BUS Service]\nName=${LATE}\nExec=/bin/sh -c '${waitAndStart}'\n`;
  writeFileSync(joinPath(folder, `${LATE}.service`), late);
  const program = joinPath(ROOT, 'dist/bridge/cli/bus1-bridge.js');
  const args = [program, 'run', '--config', config, '--address', address, '--print-address'];
  bridge = start(process.execPath, args, { env });
  await bridge.waitForLine(/^unix:/);
  bus = await join({ address });
});
afterAll(async () => {
  bus.close();
  await bridge.stop();
});

/** An object whose end can be awaited. */
function newListener(): { listener: Capability; end: Promise<unknown[]>; arrived: string[] } {
  const ended = new EventEmitter();
  const arrived: string[] = [];
  const end = once(ended, 'end');
  const methods = { Changed: () => void arrived.push('Changed') };
  const listener = bus.export(implement(Listener, { methods }), {
    onEnd: () => ended.emit('end'),
    onSignal: ({ member }) => arrived.push(member),
  });
  return { listener, end, arrived };
}

const WATCH = { destination: NAME, path: '/', interface: 'org.bus1.Test', member: 'Watch' };

test('a native service that the call has started gets the capability', async () => {
  const { listener, end, arrived } = newListener();
  const call = { ...WATCH, destination: WATCHER, signature: 'o', body: [listener] };
  await expect(bus.call(call)).resolves.toMatchObject({ body: ['called back'] });
  expect(arrived).toEqual(['Changed']);
  listener.release();
  await expect(end).resolves.toEqual([]);
});

test('a call one of whose objects ends before the service has started is refused, other calls are not', async () => {
  const [ended, other] = [newListener(), newListener()];
  const watch = (listener: Capability): Promise<unknown> =>
    bus.call({ ...WATCH, destination: LATE, signature: 'o', body: [listener] });
  await bus.resolve(LATE); // from here on a call is sent at once
  const calls = Promise.allSettled([watch(ended.listener), watch(other.listener)]);
  bus.unexport(ended.listener);
  await bus.settled();
  await writeFile(gate, 'go\n');
  const [refused, served] = await calls;
  expect(refused).toMatchObject({
    reason: {
      name: 'org.freedesktop.DBus.Error.UnknownObject',
      message: expect.stringContaining(`in this call to '${LATE}' ended`),
    },
  });
  expect(served).toMatchObject({ value: { body: ['called back'] } });
  expect([ended.arrived, other.arrived]).toEqual([[], ['Changed']]);
});

test('a capability in a call that fails ends when its owner releases it', async () => {
  const { listener, end } = newListener();
  const call = bus.call({ ...WATCH, signature: 'o', body: [listener] });
  await expect(call).rejects.toThrow('exited with status 1');
  listener.release();
  await expect(end).resolves.toEqual([]);
});

test('so does one in a call that expects no reply', async () => {
  const { listener, end, arrived } = newListener();
  await bus.call({ ...WATCH, signature: 'o', body: [listener], noReply: true });
  await expect(bus.call(WATCH)).rejects.toThrow('exited with status 1');
  listener.release();
  await expect(end).resolves.toEqual([]);
  expect(arrived).toEqual([]);
});

test('and one in a signal', async () => {
  const { listener, end, arrived } = newListener();
  const service = await bus.resolve(NAME);
  service.signal({
    interface: 'org.bus1.Test',
    member: 'Gone',
    path: '/',
    signature: 'o',
    body: [listener],
  });
  await expect(bus.call(WATCH)).rejects.toThrow('exited with status 1');
  listener.release();
  await expect(end).resolves.toEqual([]);
  expect(arrived).toEqual([]);
});

test('and each that the bus itself is sent and has no use for', async () => {
  const listeners = [newListener(), newListener(), newListener()];
  const body = listeners.map(({ listener }) => listener);
  const call = {
    destination: 'org.freedesktop.DBus',
    path: '/',
    interface: 'org.freedesktop.DBus',
  };
  await bus.call({ ...call, member: 'GetId', signature: 'ooo', body, noReply: true });
  await expect(bus.call({ ...call, member: 'GetId', signature: 'ooo', body })).rejects.toThrow(
    'GetId',
  );
  for (const { listener } of listeners) listener.release();
  await Promise.all(listeners.map(({ end }) => end));
});

// What becomes of a program when there is no bridge, when the bridge goes away, and when it is closed itself.
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbusNext from 'dbus-next';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import dbus, * as named from '#bridge/client/dbus-next/index.js';
import { ROOT } from '../../support/bus-command.js';
import { run, start } from '../../support/process.js';
import { Bridge, PLACES } from '../home.js';
import { INTERFACE, PATH } from '../../interop/dbus-next-service.js';
import { openBus, openText, serveInterop } from './interop-service.js';
import { failure, type Library, type MessageBus } from './stage.js';

const NAME = 'org.example.Interop.Connection';
const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};
const getId = () => new dbus.Message({ ...BUS, member: 'GetId' });
const callSum = (destination: string) =>
  new dbus.Message({
    destination,
    path: PATH,
    interface: INTERFACE,
    member: 'Sum',
    signature: 'ai',
    body: [[1, 2]],
  });

/** Newer versions of Node add the name of what `require` gives. */
function namesIn(exports: object): string[] {
  return Object.keys(exports)
    .filter((name) => name !== 'module.exports')
    .toSorted();
}

/** Runs the text of a program that finds the package by its name. */
const runProgram = (source: string, address: string) =>
  run(process.execPath, ['--input-type=module', '-'], {
    cwd: ROOT,
    env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: address },
    input: source,
  });

describe('the package', () => {
  const own: Library = dbus;
  const byName: Record<string, unknown> = { ...named };

  test('exports what dbus-next does, and the same classes', () => {
    expect(namesIn(own)).toEqual(namesIn(dbusNext));
    const { sessionBus: _session, systemBus: _system, ...others } = dbusNext;
    const { interface: decorated, ...same } = others;
    for (const [name, value] of Object.entries(same)) {
      expect(own[name as keyof Library]).toBe(value);
      expect(byName[name]).toBe(value);
    }
    /* its decorators take today's form as well, and its class is dbus-next's */
    expect(own.interface.Interface).toBe(decorated.Interface);
    expect(Object.keys(own.interface).toSorted()).toEqual(Object.keys(decorated).toSorted());
  });

  test('can be required, too', () => {
    const required = createRequire(import.meta.url)('bus1-bridge/dbus-next') as Library;
    expect(required.Variant).toBe(dbusNext.Variant);
    expect(required.interface.Interface).toBe(dbusNext.interface.Interface);
  });
});

describe('without a bridge', () => {
  const busAddress = 'unix:path=/nonexistent/bus';

  test('the error says where it was looked for, and what to do', async () => {
    const bus = dbus.sessionBus({ busAddress });
    const called = failure(bus.requestName('org.example.Name', 0));
    const [error] = (await once(bus, 'error')) as [Error & { type: string }];
    expect(error.message).toContain('unix:path=/nonexistent/bus: the bus cannot be reached');
    expect(error.message).toContain('bus1-bridge run --address');
    expect(error.type).toBe('org.freedesktop.DBus.Error.NoServer');
    expect(await called).toMatchObject({ type: error.type });
    expect(await failure(bus.call(getId()))).toMatchObject({ type: error.type });
  });

  test.each(['tcp:host=localhost,port=1', 'unix:nonsense'])('at %s', async (address) => {
    const [error] = (await once(dbus.sessionBus({ busAddress: address }), 'error')) as [Error];
    expect(error.message).toContain(address);
  });

  test('a program that does not listen for errors ends with it', async () => {
    const program = "import dbus from 'bus1-bridge/dbus-next'; dbus.sessionBus();";
    const result = await runProgram(program, busAddress);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('the bus cannot be reached');
  });
});

describe.each(PLACES.map((place) => [place.title, place] as const))('%s', (_title, place) => {
  const { transport } = place;
  let home: Pick<Bridge, 'address' | 'stop'>;
  let service: MessageBus;
  beforeAll(async () => {
    home = await place.open();
    service = await serveInterop(home.address, NAME, transport);
  });
  afterAll(async () => {
    service.disconnect();
    await home.stop();
  });

  test('calls made before the connection stands are sent in order', async () => {
    const bus = dbus.sessionBus({ busAddress: home.address, transport });
    const replies = await Promise.all([
      bus.requestName('org.example.Early', 0),
      bus.call(callSum(NAME)),
      bus.releaseName('org.example.Early'),
    ]);
    expect([replies[0], replies[1]!.body, replies[2]]).toEqual([1, [3], 1]);
    bus.disconnect();
  });

  test('the system bus is the one in the environment', async () => {
    vi.stubEnv('DBUS_SYSTEM_BUS_ADDRESS', home.address);
    const bus = dbus.systemBus({ transport });
    expect((await bus.call(callSum(NAME)))!.body).toEqual([3]);
    bus.disconnect();
    vi.unstubAllEnvs();
  });

  test('forty thousand calls at once are all answered, and as many signals all seen', async () => {
    const bus = await openBus(home.address, true, transport);
    const remote = (await bus.getProxyObject(NAME, PATH)).getInterface(INTERFACE);
    const numbers = Array.from({ length: 40_000 }, (_, i) => i);
    const sums = await Promise.all(numbers.map((number) => remote['Sum']([number, 1])));
    expect(sums).toEqual(numbers.map((number) => number + 1));
    const seen: string[] = [];
    const all = new Promise<void>((resolve) => {
      remote.on('Ticked', (text: string) => void (seen.push(text) === numbers.length && resolve()));
    });
    await bus.call(getId());
    const signal = { path: PATH, interface: INTERFACE, member: 'Ticked', signature: 's' };
    for (const number of numbers) {
      service.send(new dbus.Message({ ...signal, type: 4, body: [String(number)] }));
    }
    await all;
    expect(seen).toEqual(numbers.map(String));
    bus.disconnect();
  });

  test('long integers can be had without bigint', async () => {
    const bus = await openBus(home.address, true, transport);
    const remote = (await bus.getProxyObject(NAME, PATH)).getInterface(INTERFACE);
    dbus.setBigIntCompat(true);
    try {
      const echo = await remote['Echo'](new dbus.Variant('t', '18446744073709551615'));
      expect(typeof echo.value).toBe('object');
      expect(String(echo.value)).toBe('18446744073709551615');
    } finally {
      dbus.setBigIntCompat(false);
      bus.disconnect();
    }
  });

  describe('descriptors', () => {
    const read = (fd: number) =>
      new dbus.Message({
        destination: NAME,
        path: PATH,
        interface: INTERFACE,
        member: 'ReadDescriptor',
        signature: 'h',
        body: [fd],
      });

    test('go and come as copies', async () => {
      const bus = await openBus(home.address, true, transport);
      const fd = openText('there and back');
      expect((await bus.call(read(fd)))!.body).toEqual(['there and back']);
      closeSync(fd);
      const remote = (await bus.getProxyObject(NAME, PATH)).getInterface(INTERFACE);
      const back: number = await remote['OpenDescriptor']('back');
      expect(readFileSync(back, 'utf8')).toBe('back');
      closeSync(back);
      bus.disconnect();
    });

    test('may be closed as soon as they were sent, however long the message waits', async () => {
      const bus = dbus.sessionBus({ busAddress: home.address, negotiateUnixFd: true, transport });
      const fd = openText('early');
      const reply = bus.call(read(fd));
      closeSync(fd);
      expect((await reply)!.body).toEqual(['early']);
      bus.disconnect();
    });

    test('need the option negotiateUnixFd', async () => {
      const bus = await openBus(home.address, false, transport);
      const fd = openText('x');
      const refused = await failure(bus.call(read(fd)));
      closeSync(fd);
      expect(refused).toMatchObject({ type: 'org.freedesktop.DBus.Error.NotSupported' });
      bus.disconnect();
    });
  });

  describe('the process', () => {
    const prologue =
      "import dbus from 'bus1-bridge/dbus-next'; " +
      `const bus = dbus.sessionBus({ transport: '${transport}' });`;

    test('ends when it has disconnected', async () => {
      const program = `${prologue} await bus.requestName('org.example.Ends', 0); bus.disconnect();`;
      expect(await runProgram(program, home.address)).toMatchObject({ code: 0, stderr: '' });
    });

    test('lives as long as it is connected', async () => {
      const other = await place.open();
      const program = start(process.execPath, ['--input-type=module', '-'], {
        cwd: ROOT,
        env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: other.address },
      });
      program.end(`${prologue} bus.on('connect', () => process.stdout.write('connected\\n'));`);
      await program.waitForLine(/^connected$/);
      const again = await openBus(other.address, true, transport);
      expect((await again.call(getId()))!.signature).toBe('s');
      await other.stop('SIGKILL');
      expect(await program.ended).toMatchObject({ code: 0, stderr: '' });
      again.disconnect();
    });
  });
});

test('conversations go on while the bridge is stopped', async () => {
  const bridge = await Bridge.start();
  const service = await serveInterop(bridge.address, NAME);
  const client = await openBus(bridge.address);
  const remote = (await client.getProxyObject(NAME, PATH)).getInterface(INTERFACE);
  const ticked = new Promise((resolve) => remote.once('Ticked', resolve));
  await client.call(getId());
  bridge.process.kill('SIGSTOP');
  // The first reply after a broadcast waits for the bridge, but not for long.
  await remote['Tick']('while it was stopped');
  for (let i = 0; i < 1000; i++) expect(await remote['Sum']([i, 1])).toBe(i + 1);
  bridge.process.kill('SIGCONT');
  expect(await ticked).toBe('while it was stopped');
  service.disconnect();
  client.disconnect();
  await bridge.stop();
});

test('a service that is started by a call is heard from then on', async () => {
  const data = mkdtempSync(join(tmpdir(), 'data-'));
  const example = join(ROOT, 'examples/dbus-next-migrated.mjs');
  const file = `[D-BUS Service]\nName=org.example.Notes\nExec=${process.execPath} ${example} serve\n`;
  mkdirSync(join(data, 'dbus-1/services'), { recursive: true });
  writeFileSync(join(data, 'dbus-1/services/org.example.Notes.service'), file);
  vi.stubEnv('XDG_DATA_HOME', data);
  const bridge = await Bridge.start();
  vi.unstubAllEnvs();
  const client = await openBus(bridge.address);
  const path = '/org/example/Notes';
  const ping = { path, interface: 'org.freedesktop.DBus.Peer', member: 'Ping' };
  const notStarted = new dbus.Message({ ...ping, destination: 'org.example.Notes', flags: 2 });
  const refused = { type: 'org.freedesktop.DBus.Error.NameHasNoOwner' };
  expect(await failure(client.call(notStarted))).toMatchObject(refused);
  const remote = (await client.getProxyObject('org.example.Notes', path)).getInterface(
    'org.example.Notes',
  );
  const added: string[] = [];
  remote.on('Added', (text: string) => added.push(text));
  expect(await remote['Add']('first')).toBe(1);
  expect(added).toEqual(['first']);
  client.disconnect();
  await bridge.stop();
  rmSync(data, { recursive: true });
});

test('conversations outlive the bridge', async () => {
  const bridge = await Bridge.start();
  const service = await serveInterop(bridge.address, NAME);
  const client = await openBus(bridge.address);
  expect((await client.call(callSum(NAME)))!.body).toEqual([3]);
  await bridge.stop('SIGKILL');
  expect((await client.call(callSum(NAME)))!.body).toEqual([3]);
  const disconnected = { type: 'org.freedesktop.DBus.Error.Disconnected' };
  expect(await failure(client.call(getId()))).toMatchObject(disconnected);
  expect(await failure(client.call(callSum('org.example.New')))).toMatchObject(disconnected);
  expect((await client.call(callSum(NAME)))!.body).toEqual([3]);
  service.disconnect();
  client.disconnect();
});

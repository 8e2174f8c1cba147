// TestBus and its mocks: what a test of somebody else's program does with them.
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DBusError, join } from '#bridge/client/index.js';
import { TestBus, type MockService } from '#bridge/testing/index.js';
import { ROOT } from '../support/bus-command.js';
import { output, start } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';
import { CLOCK_XML } from './clock.js';

const NAME = 'org.example.Clock';
const PATH = '/org/example/Clock';

let testBus: TestBus;
let clock: MockService;

beforeAll(async () => {
  testBus = await TestBus.start();
  clock = await testBus.mock(NAME, {
    '/org/example': { isManager: true },
    [PATH]: {
      introspection: CLOCK_XML,
      methods: { Now: 5n, 'org.example.Clock.SetAlarm': (at: bigint) => Number(at) + 1 },
      properties: { Zone: 'UTC' },
    },
  });
});

afterAll(() => testBus.stop());

describe('a mock', () => {
  test('answers with values, functions, errors, and with empty values where nothing was said', async () => {
    const proxy = (await (await testBus.connect()).object(NAME, PATH)).as(NAME);
    expect(await proxy.methods['Now']()).toBe(5n);
    expect(await proxy.methods['SetAlarm'](41n, 'tea')).toBe(42);
    expect(await proxy.methods['List']()).toEqual([new Map(), ['/', false]]);
    await expect(proxy.methods['Open']()).rejects.toMatchObject({
      name: 'org.freedesktop.DBus.Error.NotSupported',
    });
    clock.object(PATH).answer('Now', () => {
      throw new DBusError('org.example.Error.Stopped', 'the clock has stopped');
    });
    await expect(proxy.methods['Now']()).rejects.toMatchObject({
      name: 'org.example.Error.Stopped',
    });
    clock.object(PATH).answer('Now', 5n);
  });

  test('records calls, and who has made them', async () => {
    const bus = await testBus.connect();
    clock.calls.length = 0;
    const coming = clock.waitForCall('SetAlarm');
    await bus.proxy(clock.object(PATH).interfaces[0], NAME, PATH).methods['SetAlarm'](1n, 'egg');
    const call = { path: PATH, interface: NAME, member: 'SetAlarm', args: [1n, 'egg'] };
    expect(clock.calls).toEqual([{ ...call, sender: bus.uniqueName }]);
    expect(await coming).toBe(clock.calls[0]);
    expect(await clock.waitForCall(({ args }) => args[1] === 'egg')).toBe(clock.calls[0]);
  });

  test('says what was called instead of what a test waits for', async () => {
    clock.calls.length = 0;
    await expect(clock.waitForCall('Now', 1)).rejects.toThrow(
      'a call of Now to the mock org.example.Clock (calls so far: none) was not answered within 1 ms',
    );
  });

  test('has properties that a test or a program sets', async () => {
    const proxy = (await (await testBus.connect()).object(NAME, PATH)).as(NAME);
    const watched = await proxy.watch();
    expect([watched.get('Zone'), watched.get('Ticks')]).toEqual(['UTC', 0]);
    const changes = watched.changes[Symbol.asyncIterator]();
    const changed = changes.next();
    clock.object(PATH).set('Ticks', 7);
    await changed;
    expect(watched.get('Ticks')).toBe(7);
    await proxy.properties['Zone'].set('CET');
    expect(clock.object(PATH).get('Zone')).toBe('CET');
    expect(clock.callsOf('Set').map(({ args }) => args)).toEqual([[NAME, 'Zone', 'CET']]);
    await changes.return?.();
  });

  test('sends signals', async () => {
    const proxy = (await (await testBus.connect()).object(NAME, PATH)).as(NAME);
    const rang = await proxy.signals['Rang'].open();
    clock.object(PATH).emit('Rang', 3);
    expect(await rang.next()).toEqual({ value: [3], done: false });
    await rang.return?.();
  });

  test('tells of objects that come and go', async () => {
    const objects = await (await testBus.connect()).objects(NAME, '/org/example');
    expect(objects.paths(NAME)).toEqual([PATH]);
    const changes = objects.changes[Symbol.asyncIterator]();
    const added = changes.next();
    clock.add('/org/example/Second', { introspection: CLOCK_XML });
    expect((await added).value).toMatchObject({ path: '/org/example/Second' });
    const removed = changes.next();
    clock.remove('/org/example/Second');
    expect((await removed).value).toMatchObject({ path: '/org/example/Second', removed: [NAME] });
    await changes.return?.();
  });

  test.each([
    ['methods', 'Later', 'the mock at / has no Later among its methods: org.example.Clock.Now, '],
    [
      'properties',
      'Time',
      'the mock at / has no Time among its properties: org.example.Clock.Zone',
    ],
  ])('refuses %s that nobody has described', async (kind, member, message) => {
    const object = { introspection: CLOCK_XML, [kind]: { [member]: 1 } };
    await expect(testBus.mock('org.example.Wrong', { '/': object })).rejects.toThrow(message);
  });

  test('leaves the bus when it is stopped, and its name is free again', async () => {
    const bus = await testBus.connect();
    const mock = await testBus.mock('org.example.Leaving');
    await expect(testBus.mock('org.example.Leaving')).rejects.toThrow('has an owner');
    const owners = await bus.watchName('org.example.Leaving').open();
    expect((await owners.next()).value).toBe(mock.bus.uniqueName);
    const waiting = mock.waitForCall('Never');
    mock.stop();
    await expect(waiting).rejects.toMatchObject({ code: 'BusClosed' });
    expect((await owners.next()).value).toBeUndefined();
    await owners.return?.();
  });
});

describeWith([needs('gdbus', 'libglib2.0-bin')], 'other software', () => {
  test('calls a mock', async () => {
    const words = ['call', '--system', '-d', NAME, '-o', PATH, '-m', `${NAME}.SetAlarm`, '1', 'a'];
    expect(await output('gdbus', words, { env: testBus.env })).toBe('(uint32 2,)\n');
  });
});

describe('a test bus', () => {
  test('starts nothing that is installed, and has nobody else on it', async () => {
    const bus = await testBus.connect();
    const names = async (member: string): Promise<unknown> => {
      const driver = 'org.freedesktop.DBus';
      const call = { path: '/org/freedesktop/DBus', interface: driver, member };
      return (await bus.call({ destination: driver, ...call })).body[0];
    };
    expect(await names('ListActivatableNames')).toEqual(['org.freedesktop.DBus']);
    expect(await names('ListNames')).toContain(NAME);
  });

  test('changes the environment between enter and leave only', async () => {
    const own = { ...process.env };
    testBus.enter();
    expect(process.env['DBUS_SESSION_BUS_ADDRESS']).toBe(testBus.address);
    expect(process.env['DBUS_SYSTEM_BUS_ADDRESS']).toBe(testBus.address);
    testBus.leave();
    expect(process.env).toEqual(own);
  });

  test('ends with its folder, and so do the connections that it has made', async () => {
    const other = await TestBus.start();
    const bus = await other.connect();
    const path = /path=([^,]+)/.exec(other.address)![1];
    expect(existsSync(path)).toBe(true);
    await other.stop();
    expect(await bus.closed).toMatch(/close\(\) was called|gone/);
    expect(existsSync(path)).toBe(false);
  });

  test('ends with the process that has started it, however that ends', async () => {
    const program = start(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { TestBus } from '${ROOT}/dist/bridge/testing/index.js';
       const bus = await TestBus.start();
       process.stdout.write(bus.address + '\\n');
       process.stdin.resume();`,
    ]);
    const address = await program.waitForLine(/^unix:/);
    const bus = await join({ address: address, transport: 'socket' });
    program.kill('SIGKILL');
    expect(await bus.closed).not.toBe('');
  });

  test('says what is wrong when it cannot start', async () => {
    await expect(TestBus.start({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'Timeout' });
  });
});

test('the suite of docs/testing.md for node:test', async () => {
  const words = ['--test', '--test-reporter=tap', 'test/testing/node-test.mjs'];
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  expect(await output(process.execPath, words, { cwd: ROOT, env })).toMatch(/^# pass 2$/m);
});

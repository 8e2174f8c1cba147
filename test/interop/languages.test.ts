// Three D-Bus implementations that share no code (libdbus, GDBus, dbus-next), each as a client of
// each other through the bus. python/interop.py has the interface that they speak.
import dbus from 'dbus-next';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type RunningBus,
  describeWith,
  needs,
  needsPythonModule,
  startBus,
} from '../support/bus.js';
import { connect } from '../support/names.js';
import {
  CHECKS,
  startPythonService,
  testPythonChecks,
  WITH_DESCRIPTORS,
} from '../support/python.js';
import type { Program } from '../support/process.js';
import { PYTHON } from '../support/software.js';
import {
  type DbusNextService,
  INTERFACE,
  PATH,
  REFUSED,
  startDbusNextService,
} from './dbus-next-service.js';

const PYTHON_LIBRARIES = [
  needs(PYTHON, 'python3'),
  needsPythonModule('dbus', 'python3-dbus'),
  needsPythonModule('gi', 'python3-gi'),
];
const SERVICES = [
  { library: 'libdbus', script: 'service_libdbus.py' },
  { library: 'GDBus', script: 'service_gdbus.py' },
];
const CLIENTS = [
  { library: 'libdbus', script: 'client_libdbus.py' },
  { library: 'GDBus', script: 'client_gdbus.py' },
];

let bus: RunningBus;
beforeAll(async () => {
  bus = await startBus();
});
afterAll(() => bus.stop());

describeWith(PYTHON_LIBRARIES, 'services in Python', () => {
  describe.each(SERVICES)('a service on $library', ({ library, script }) => {
    const name = `org.example.Interop.${library}`;
    let service: Program;
    beforeAll(async () => {
      service = await startPythonService(script, name, bus.env);
    });
    afterAll(async () => {
      await service.stop();
    });

    describe.each(CLIENTS)('used by $library', (client) => {
      testPythonChecks(WITH_DESCRIPTORS, client.script, [name, 'descriptors'], () => bus.env);
    });
    describe('used by dbus-next', () => {
      testDbusNextClient(name);
    });
  });
});

describe('a service on dbus-next', () => {
  const name = 'org.example.Interop.DbusNext';
  let service: DbusNextService;
  beforeAll(async () => {
    service = await startDbusNextService(bus.address, name);
  });
  afterAll(() => service.stop());

  describeWith(PYTHON_LIBRARIES, 'clients in Python', () => {
    describe.each(CLIENTS)('used by $library', (client) => {
      testPythonChecks(CHECKS, client.script, [name], () => bus.env);
    });
  });
  describe('used by dbus-next', () => {
    testDbusNextClient(name);
  });
});

const { Variant } = dbus;
// dbus-next takes -(2 ** 63) for out of range.
const LEAST_INT64_OF_DBUS_NEXT = 1n - 2n ** 63n;
const ECHOED: [string, unknown][] = [
  ['y', 255],
  ['b', true],
  ['n', -(2 ** 15)],
  ['q', 2 ** 16 - 1],
  ['i', -(2 ** 31)],
  ['u', 2 ** 32 - 1],
  ['x', LEAST_INT64_OF_DBUS_NEXT],
  ['t', 2n ** 64n - 1n],
  ['d', -1.5e300],
  ['s', 'snö ☃ 𝄞'],
  ['o', '/a/b_1'],
  ['g', 'a{s(iv)}'],
  ['as', []],
  ['aan', [[1, 2], []]],
  ['(ysd)', [1, 'two', 3]],
  ['a{sv}', { a: new Variant('t', 1n), b: new Variant('v', new Variant('b', true)) }],
];

function testDbusNextClient(name: string): void {
  let client: dbus.MessageBus;
  let interop: dbus.ClientInterface;
  let properties: dbus.ClientInterface;
  beforeAll(async () => {
    client = await connect(bus.address);
    // The proxy is made from what introspection returned, so this checks introspection as well.
    const remote = await client.getProxyObject(name, PATH);
    interop = remote.getInterface(INTERFACE);
    properties = remote.getInterface('org.freedesktop.DBus.Properties');
  });
  afterAll(() => client.disconnect());

  test.each(ECHOED)('a variant of type %s survives an echo', async (signature, value) => {
    const echo = await interop['Echo'](new Variant(signature, value));
    expect(echo).toEqual(new Variant(signature, value));
  });

  test('an error has its name and its text', async () => {
    await expect(interop['Refuse']()).rejects.toMatchObject({
      type: REFUSED,
      text: 'on purpose',
    });
  });

  test('a signal reaches its subscriber', async () => {
    const ticked = new Promise((resolve) => interop.once('Ticked', resolve));
    await interop['Tick']('once');
    await expect(ticked).resolves.toBe('once');
  });

  test('properties are read, set, and announced', async () => {
    const changed = new Promise((resolve) => {
      properties.once('PropertiesChanged', (...args: unknown[]) => resolve(args));
    });
    const label = new Variant('s', 'set by dbus-next');
    await properties['Set'](INTERFACE, 'Label', label);
    await expect(changed).resolves.toEqual([INTERFACE, { Label: label }, []]);
    await expect(properties['GetAll'](INTERFACE)).resolves.toEqual({
      Label: label,
      Version: new Variant('u', 7),
    });
  });

  test('a hundred calls are outstanding at once', async () => {
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const sums = numbers.map((number) => interop['Sum']([number, 1000]));
    await expect(Promise.all(sums)).resolves.toEqual(numbers.map((number) => number + 1000));
  });

  test('eight MiB go there and back', async () => {
    const lengthBytes = 8 * 1024 * 1024;
    await expect(interop['Length'](Buffer.alloc(lengthBytes))).resolves.toBe(lengthBytes);
    const zeros: Uint8Array = await interop['Zeros'](lengthBytes);
    expect(Buffer.compare(zeros, Buffer.alloc(lengthBytes))).toBe(0);
  });
}

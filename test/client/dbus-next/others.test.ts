// A program on the adapter meets software that shares no code with it: libdbus, GDBus, sd-bus, and native peers.
import { closeSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import dbus, { Variant, type ClientInterface } from '#bridge/client/dbus-next/index.js';
import { implement, join, Variant as NativeVariant } from '#bridge/client/index.js';
import { describeWith, needs, needsPythonModule, output, run } from '../../support/bus.js';
import type { Environment, Program } from '../../support/process.js';
import { start } from '../../support/process.js';
import { startPythonService, testPythonChecks, WITH_DESCRIPTORS } from '../../support/python.js';
import { PYTHON } from '../../support/software.js';
import { PLACES, type Bridge } from '../home.js';
import { INTERFACE, PATH } from '../../interop/dbus-next-service.js';
import { openBus, openText, serveInterop } from './interop-service.js';
import { failure, messages, type MessageBus } from './stage.js';

const NAME = 'org.example.Interop.Adapter';
const PYTHON_LIBRARIES = [
  needs(PYTHON, 'python3'),
  needsPythonModule('dbus', 'python3-dbus'),
  needsPythonModule('gi', 'python3-gi'),
];

const addMatch = (rule: string) =>
  new dbus.Message({
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
    member: 'AddMatch',
    signature: 's',
    body: [rule],
  });

describe.each(PLACES.map((place) => [place.title, place] as const))('%s', (_title, place) => {
  const { transport } = place;
  let bus: Pick<Bridge, 'address' | 'stop'>;
  let env: Environment;
  let service: MessageBus;
  let client: MessageBus;
  beforeAll(async () => {
    bus = await place.open();
    env = { ...process.env, DBUS_SESSION_BUS_ADDRESS: bus.address, LC_ALL: 'C.UTF-8' };
    service = await serveInterop(bus.address, NAME, transport);
    client = await openBus(bus.address, true, transport);
  });
  afterAll(async () => {
    service.disconnect();
    client.disconnect();
    await bus.stop();
  });

  describeWith(PYTHON_LIBRARIES, 'a service of the adapter', () => {
    describe.each(['client_libdbus.py', 'client_gdbus.py'])('used by %s', (script) => {
      testPythonChecks(WITH_DESCRIPTORS, script, [NAME, 'descriptors'], () => env);
    });
  });

  describeWith([needs('busctl', 'systemd')], 'busctl', () => {
    const words = (...args: string[]) => [`--address=${bus.address}`, '--no-pager', ...args];
    const busctl = (...args: string[]) => output('busctl', words(...args), { env });

    test('knows the process behind it', async () => {
      await expect(busctl('status', NAME)).resolves.toContain(`PID=${process.pid}\n`);
    });

    test('calls it, and shows its errors', async () => {
      const echo = ['call', NAME, PATH, INTERFACE, 'Echo', 'v', 'a{sv}', '1', 'k', 'd', '0.5'];
      await expect(busctl(...echo)).resolves.toBe('v a{sv} 1 "k" d 0.5\n');
      const refused = await run('busctl', words('call', NAME, PATH, INTERFACE, 'Refuse'));
      expect(refused).toMatchObject({ code: 1, stderr: 'Call failed: on purpose\n' });
    });
  });

  describeWith([needs('gdbus', 'libglib2.0-bin')], 'gdbus', () => {
    const gdbus = (command: string, ...args: string[]) =>
      output('gdbus', [command, '--session', `--dest=${NAME}`, `--object-path=${PATH}`, ...args], {
        env,
      });

    test('calls and introspects it', async () => {
      const sum = await gdbus('call', `--method=${INTERFACE}.Sum`, '[1, 2, 39]');
      expect(sum).toBe('(42,)\n');
      await expect(gdbus('introspect')).resolves.toContain('Sum(in  ai arg_0,');
    });

    test('sees its signals', async () => {
      const args = ['monitor', '--session', `--dest=${NAME}`, `--object-path=${PATH}`];
      const monitor = start('gdbus', args, { env });
      await monitor.waitForLine(/is owned by/);
      const remote = await client.getProxyObject(NAME, PATH);
      await remote.getInterface(INTERFACE)['Tick']('seen');
      expect(await monitor.waitForLine(/Ticked/)).toContain(`${INTERFACE}.Ticked ('seen',)`);
      await monitor.stop();
    });
  });

  describeWith(PYTHON_LIBRARIES, 'a client of the adapter', () => {
    describe.each(['service_libdbus.py', 'service_gdbus.py'])('of %s', (script) => {
      const name = `org.example.Interop.${script.replace('.py', '')}`;
      let python: Program;
      let interop: ClientInterface;
      let properties: ClientInterface;
      beforeAll(async () => {
        python = await startPythonService(script, name, env);
        const remote = await client.getProxyObject(name, PATH);
        interop = remote.getInterface(INTERFACE);
        properties = remote.getInterface('org.freedesktop.DBus.Properties');
      });
      afterAll(() => python.stop());

      test.each([
        ['t', 2n ** 64n - 1n],
        ['x', -(2n ** 63n)],
        ['as', ['snö ☃ 𝄞']],
        ['(ysd)', [1, 'two', 3]],
        ['a{sv}', { a: new Variant('t', 1n), b: new Variant('v', new Variant('b', true)) }],
      ])('a variant of type %s survives an echo', async (signature, value) => {
        const sent = new Variant(signature, value);
        expect(await interop['Echo'](sent)).toEqual(sent);
      });

      test('errors, signals and properties', async () => {
        const refused = { type: 'org.example.Interop.Error.Refused', text: 'on purpose' };
        expect(await failure(interop['Refuse']())).toMatchObject(refused);
        const ticked = new Promise((resolve) => interop.once('Ticked', resolve));
        await interop['Tick']('once');
        expect(await ticked).toBe('once');
        const changed = new Promise((resolve) => {
          properties.once('PropertiesChanged', (...args: unknown[]) => resolve(args));
        });
        const label = new Variant('s', 'set on handles');
        await properties['Set'](INTERFACE, 'Label', label);
        expect(await changed).toEqual([INTERFACE, { Label: label }, []]);
      });

      test('descriptors go there and come back', async () => {
        expect(await interop['ReadDescriptor'](openText('to the service'))).toBe('to the service');
        const fd: number = await interop['OpenDescriptor']('from the service');
        expect(readFileSync(fd, 'utf8')).toBe('from the service');
        closeSync(fd);
      });
    });
  });

  describeWith([needs('dbus-test-tool', 'dbus-bin')], 'dbus-test-tool', () => {
    test('echoes a thousand calls', async () => {
      const name = 'org.example.Echo';
      const owned = messages(client, 1, ({ member, body }) =>
        member === 'NameOwnerChanged' ? body[0] === name : false,
      );
      await client.call(addMatch(`member='NameOwnerChanged',arg0='${name}'`));
      const echo = start('dbus-test-tool', ['echo', `--name=${name}`], { env });
      await owned;
      const calls = Array.from({ length: 1000 }, () =>
        client.call(new dbus.Message({ destination: name, path: '/', member: 'Any' })),
      );
      const replies = await Promise.all(calls);
      expect(new Set(replies.map((reply) => reply!.sender)).size).toBe(1);
      await echo.stop();
    });
  });

  describe('native peers', () => {
    const Echo = {
      name: 'org.example.Native',
      methods: { Echo: { in: 'v', out: 'v' }, Refuse: { in: '', out: '' } },
      signals: { Said: { args: 's' } },
      properties: { Level: { type: 'u', access: 'read' } },
    } as const;

    test('are called, listened to, and call back', async () => {
      const native = await join({ address: bus.address, transport });
      const object = native.serve(
        '/native',
        implement(Echo, {
          methods: {
            Echo: (value: unknown) => value,
            Refuse: () => Promise.reject(new Error('no')),
          },
          properties: { Level: { get: () => 3 } },
        }),
      );
      await native.requestName('org.example.Native');
      const remote = await client.getProxyObject('org.example.Native', '/native');
      const proxy = remote.getInterface('org.example.Native');
      const value = new Variant('a{s(iv)}', { a: [1, new Variant('ay', Buffer.from('b'))] });
      expect(await proxy['Echo'](value)).toEqual(value);
      expect(await failure(proxy['Refuse']())).toMatchObject({ text: 'no', from: 'service' });
      const said = new Promise((resolve) => proxy.once('Said', resolve));
      await proxy['Echo'](new Variant('s', 'subscribed'));
      object.emitter(Echo).Said('hello');
      expect(await said).toBe('hello');

      const sum = { destination: NAME, path: PATH, interface: INTERFACE, member: 'Sum' };
      const reply = await native.call({ ...sum, signature: 'ai', body: [[1, 2]] });
      expect(reply.body).toEqual([3]);
      const dict = new NativeVariant('a{sv}', new Map([['k', new NativeVariant('x', 1n)]]));
      const echo = { ...sum, member: 'Echo', signature: 'v', body: [dict] };
      expect((await native.call(echo)).body).toEqual([dict]);
      native.close();
    });
  });
});

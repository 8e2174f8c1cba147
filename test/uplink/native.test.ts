// A program without a D-Bus socket, on a bridge beside a real bus.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Calls } from '#bridge/client/calls.js';
import { type Bus, implement, type InterfaceDescription, join } from '#bridge/client/index.js';
import { describeWith, needsPythonModule } from '../support/bus.js';
import type { Program } from '../support/process.js';
import { startPythonService } from '../support/python.js';
import { Bridge } from './bridge.js';
import { OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';

const NAME = 'org.example.Interop.Old';
const INTERFACE = 'org.example.Interop';
const PATH = '/org/example/Interop';
const JUDGED = {
  name: INTERFACE,
  methods: { Allowed: { in: '', out: '' }, Forbidden: { in: '', out: '' } },
  signals: {},
  properties: {},
} as const satisfies InterfaceDescription;
const DRIVER = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};
const LARGE_BYTES = 1024 * 1024;

const SOFTWARE = [...OLD_BUS_SOFTWARE['dbus-daemon'], needsPythonModule('dbus', 'python3-dbus')];

describeWith(SOFTWARE, 'a native peer', () => {
  let old: OldBus;
  let bridge: Bridge;
  let service: Program;
  let bus: Bus;
  beforeAll(async () => {
    old = await OldBus.start('dbus-daemon');
    service = await startPythonService('service_libdbus.py', NAME, old.env);
    bridge = await Bridge.attach(old, { imports: [NAME] });
    bus = await join({ address: bridge.address });
  });
  afterAll(async () => {
    bus.close();
    await service.stop();
    await bridge.stop();
    await old.stop();
  });

  const call = async (member: string, signature: string, body: readonly unknown[]) => {
    const reply = await bus.call({
      destination: NAME,
      path: PATH,
      interface: INTERFACE,
      member,
      signature,
      body,
    });
    return reply.body[0];
  };

  test('calls a service of the old bus', async () => {
    await expect(call('Sum', 'ai', [[1, 2, -40]])).resolves.toBe(-37);
    await expect(call('Length', 'ay', [new Uint8Array(LARGE_BYTES)])).resolves.toBe(LARGE_BYTES);
    await expect(call('Zeros', 'u', [LARGE_BYTES])).resolves.toEqual(new Uint8Array(LARGE_BYTES));
  });

  test('gets the errors of the service', async () => {
    await expect(call('Refuse', '', [])).rejects.toThrow('on purpose');
  });

  test.each(['call', 'call without reply', 'signal'])(
    'gets its capability back that went along with a %s',
    async (kind) => {
      let end = (): void => {};
      const ended = new Promise<void>((resolve) => (end = resolve));
      const capability = bus.export([], { onEnd: end });
      const message = { path: PATH, interface: INTERFACE, member: 'Watch' };
      const load = { signature: 'o', body: [capability] };
      const service = await bus.resolve(NAME);
      if (kind === 'signal') service.signal({ ...message, ...load });
      else if (kind === 'call') await service.call({ ...message, ...load }).catch(() => {});
      else await service.call({ ...message, ...load, noReply: true });
      await call('Sum', 'ai', [[1]]);
      capability.release();
      await expect(ended).resolves.toBeUndefined();
    },
  );

  test('has many calls under way at once', async () => {
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const sums = await Promise.all(numbers.map((number) => call('Sum', 'ai', [[number, 1000]])));
    expect(sums).toEqual(numbers.map((number) => number + 1000));
  });
});

const UNOWNED = 'org.example.Interop.Unowned';

describeWith(OLD_BUS_SOFTWARE['dbus-daemon'], 'the policy of the bridge', () => {
  let old: OldBus;
  let bridge: Bridge;
  let service: Bus;
  beforeAll(async () => {
    old = await OldBus.start('dbus-daemon');
    service = await join({ address: old.address });
    const methods = { Allowed: () => undefined, Forbidden: () => undefined };
    service.serve(PATH, implement(JUDGED, { methods }));
    await service.requestName(NAME);
    const policy = [NAME, UNOWNED]
      .map(
        (name) =>
          `<deny send_destination="${name}" send_interface="${INTERFACE}" send_member="Forbidden"/>`,
      )
      .join('');
    bridge = await Bridge.attach(old, {
      imports: [NAME, UNOWNED],
      policy: `<policy context="default">${policy}</policy>`,
    });
    /* a native peer is admitted before the names of the other bus are known */
    await bridge.program.waitForLine(/attached to the other bus/, 'stderr');
  });
  afterAll(async () => {
    service.close();
    await bridge.stop();
    await old.stop();
  });

  test('survives a call that wants a reply and brings no handle for it', async () => {
    const bus = await join({ address: bridge.address, transport: 'domain' });
    // The library sends none; a peer that does not use it may.
    const { prototype } = Calls;
    const compose: (this: Calls, ...args: unknown[]) => void = Reflect.get(prototype, 'compose');
    Reflect.set(prototype, 'compose', function (this: Calls, ...args: unknown[]) {
      const [target, type, , ...content] = args;
      compose.call(this, target, type, 0, ...content);
    });
    const call = { destination: NAME, path: PATH, interface: INTERFACE };
    await bus.call({ ...call, member: 'Forbidden', noReply: true });
    Reflect.set(prototype, 'compose', compose);
    await expect(bus.call({ ...call, member: 'Allowed' })).resolves.toBeDefined();
    bus.close();
  });

  test.each(['socket', 'domain'] as const)(
    'holds for imported names, with and without an owner, over there: %s',
    async (transport) => {
      const bus = await join({ address: bridge.address, transport });
      const verdict = (destination: string, member: string): Promise<string> =>
        bus.call({ destination, path: PATH, interface: INTERFACE, member }).then(
          () => 'answered',
          (error: Error) => `${error.name}: ${/at [^ ;]*:\d+/u.exec(error.message)?.[0] ?? ''}`,
        );
      const [owner] = (
        await bus.call({ ...DRIVER, member: 'GetNameOwner', signature: 's', body: [NAME] })
      ).body as [string];
      const denied = /^org\.freedesktop\.DBus\.Error\.AccessDenied: at .*bus\.conf:\d+$/u;
      expect(await verdict(NAME, 'Allowed')).toBe('answered');
      expect(await verdict(NAME, 'Forbidden')).toMatch(denied);
      expect(await verdict(owner, 'Forbidden')).toMatch(denied);
      expect(await verdict(UNOWNED, 'Forbidden')).toMatch(denied);
      expect(await verdict(UNOWNED, 'Allowed')).toContain('ServiceUnknown');
      expect(await verdict(NAME, 'Allowed')).toBe('answered');
      bus.close();
    },
  );
});

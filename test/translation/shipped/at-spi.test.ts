// at-spi2-registryd, and a program whose accessible objects libatk shows on the bus.
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  type InterfaceDescription,
  type Signal,
  type Variant,
  Capability,
  implement,
} from '#bridge/client/index.js';
import { PYTHON, describeWith, needs, needsPythonModule } from '../../support/software.js';
import { type Program, start } from '../../support/process.js';
import { call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { peersForAllTests } from './peers.js';

const ATSPI = 'org.a11y.atspi';
const NAME = `${ATSPI}.Registry`;
const ROOT = '/org/a11y/atspi/accessible/root';
const REGISTRY = '/org/a11y/atspi/registry';
const DEVICES = '/org/a11y/atspi/registry/deviceeventcontroller';
const CACHE = '/org/a11y/atspi/cache';
const CONTROLLER = `${ATSPI}.DeviceEventController`;
const ACCESSIBLE = `${ATSPI}.Accessible`;
const PRESSED_OR_RELEASED = 3;
const RULE = '(aiia{ss}iaiiasib)';
const CONTROLLER_FOR = 3;
const REGISTRYD = '/usr/libexec/at-spi2-registryd';
const GI = "gi; gi.require_version('Atk', '1.0')";
const SOFTWARE = [
  needs(REGISTRYD, 'at-spi2-core'),
  needsPythonModule(GI, 'gir1.2-atk-1.0 libatk-bridge2.0-0 python3-gi'),
];

/** What it calls for each key. */
const LISTENER: InterfaceDescription = {
  name: `${ATSPI}.DeviceEventListener`,
  methods: { NotifyEvent: { in: '(uiuuisb)', out: 'b' } },
  properties: {},
  signals: {},
};

/** The name of a connection, and an object there. */
type Reference = readonly [name: string, object: Capability];
/** The same as strings, in lists of lists. */
type Strings = readonly (readonly (readonly string[])[])[];

describeWith(SOFTWARE, 'accessible objects', () => {
  let desktop: Capability;
  let program: Program;
  let example: Reference;
  let window: Capability;

  const peers = peersForAllTests(async ({ bridge, native }) => {
    await bridge.service([REGISTRYD], NAME, { AT_SPI_BUS_ADDRESS: bridge.address });
    desktop = await native.resolve(NAME);
    await at(desktop, REGISTRY, `${NAME}.RegisterEvent`, 'sass', 'object:', [], '');
    const signals = await listenTo(native, desktop);
    program = start(PYTHON, [join(import.meta.dirname, 'accessible.py')], {
      env: { ...process.env, AT_SPI_BUS_ADDRESS: bridge.address },
    });
    await program.waitForLine(/runs/);
    example = changed(await signals.next('ChildrenChanged'));
    [[, window]] = await children(example[1]);
  });
  afterAll(() => program.stop());

  /** Calls an object that always has the same path, through a handle to another one of that program. */
  const at = async (
    through: Capability,
    path: string,
    method: string,
    signature = '',
    ...body: unknown[]
  ): Promise<unknown> => {
    const [, iface, member] = /^(.*)\.(.*)$/.exec(method)!;
    const reply = await through.call({ path, interface: iface, member, signature, body });
    return reply.body[0];
  };
  const withStrings = (
    path: string,
    of: string,
    member: string,
    signature = '',
    ...body: unknown[]
  ) => {
    const to = { destination: NAME, path, interface: of, member };
    return legacyCall(peers.legacy, { ...to, signature, body }) as Promise<Strings>;
  };
  const children = (of: Capability) =>
    call(of, `${ACCESSIBLE}.GetChildren`) as Promise<Reference[]>;
  const nameOf = (object: Capability) => property(object, ACCESSIBLE, 'Name') as Promise<string>;
  /** The child that a signal of its parent is about. */
  const changed = ({ body }: Signal): Reference => (body[3] as Variant).value as Reference;

  test('from the desktop to a button and back, each a handle', async () => {
    const [[name, root]] = await children(desktop);
    expect(name).toBe(example[0]);
    expect(await nameOf(root)).toBe('example');
    const [, button] = (await call(window, `${ACCESSIBLE}.GetChildAtIndex`, 'i', 0)) as Reference;
    expect(await nameOf(button)).toBe('OK');
    const [, parent] = (await property(button, ACCESSIBLE, 'Parent')) as Reference;
    expect(await nameOf(parent)).toBe('Question');
    const [, application] = (await call(button, `${ACCESSIBLE}.GetApplication`)) as Reference;
    expect(await nameOf(application)).toBe('example');
    const relations = await call(window, `${ACCESSIBLE}.GetRelationSet`);
    const [[kind, [[, target]]]] = relations as [number, Reference[]][];
    expect([kind, await nameOf(target)]).toEqual([CONTROLLER_FOR, 'OK']);
  });

  test('objects that are looked for', async () => {
    const rule = [[0, 0], 1, new Map(), 1, [0, 1 << 11, 0, 0], 2, [], 1, false];
    const matches = await call(
      window,
      `${ATSPI}.Collection.GetMatches`,
      `${RULE}uib`,
      rule,
      1,
      0,
      true,
    );
    const names = await Promise.all((matches as Reference[]).map(([, one]) => nameOf(one)));
    expect(names).toEqual(['OK']);
  });

  test('the cache of a program, by a handle to its first object', async () => {
    const items = (await at(example[1], CACHE, `${ATSPI}.Cache.GetItems`)) as Reference[][];
    const names: Promise<string>[] = items.map(([[, object]]) => nameOf(object));
    expect((await Promise.all(names)).toSorted()).toEqual(['OK', 'Question', 'example']);
    for (const [, application, parent] of items) {
      expect([application[1], parent[1]]).toEqual([expect.any(Capability), expect.any(Capability)]);
    }
    await expect(at(window, CACHE, `${ATSPI}.Cache.GetItems`)).rejects.toThrow(/GetItems/);
  });

  test('an object that comes, and goes', async () => {
    const ofWindow = await listenTo(peers.native, window);
    const ofCache = await listenTo(peers.native, example[1], CACHE);
    program.kill('SIGUSR1');
    const [, added] = changed(await ofWindow.next('ChildrenChanged'));
    expect(await nameOf(added)).toBe('Cancel');
    const [item] = (await ofCache.next('AddAccessible')).body as [Reference[]];
    expect(await nameOf(item[0][1])).toBe('Cancel');
    expect(await nameOf(item[1][1])).toBe('example');
    expect(await nameOf(item[2][1])).toBe('Question');
    const released = Promise.all([gone(added), gone(item[0][1])]);
    program.kill('SIGUSR1');
    const [[, removed]] = (await ofCache.next('RemoveAccessible')).body as [Reference];
    expect(removed).toBeInstanceOf(Capability);
    await released;
    expect(window.live).toBe(true);
  });

  test('a program that is taken from the desktop, and put there again', async () => {
    await call(desktop, `${ATSPI}.Socket.Unembed`, '(so)', example);
    expect(await children(desktop)).toEqual([]);
    const [, socket] = (await call(desktop, `${ATSPI}.Socket.Embed`, '(so)', example)) as Reference;
    expect(await children(socket)).toHaveLength(1);
  });

  test('a listener of the native peer is asked about each key', async () => {
    const heard: unknown[] = [];
    const listener = peers.native.export([
      implement(LISTENER, { methods: { NotifyEvent: (event) => heard.push(event) > 0 } }),
    ]);
    const registration = [listener, [], 0, PRESSED_OR_RELEASED, [true, true, false]];
    const [register, deregister, list] = ['Register#', 'Deregister#', 'Get#s'].map(
      (name) => `${CONTROLLER}.${name.replace('#', 'KeystrokeListener')}`,
    );
    await at(desktop, DEVICES, register, 'oa(iisi)uu(bbb)', ...registration);
    const event = [0, 38, 38, 0, 1000, 'a', true];
    const press = ['NotifyListenersSync', '(uiiiisb)', event] as const;
    expect(await withStrings(DEVICES, CONTROLLER, ...press)).toEqual([true]);
    expect(heard).toEqual([event]);
    const [[[name, path]]] = await withStrings(DEVICES, CONTROLLER, 'GetKeystrokeListeners');
    expect([name, path]).toEqual([peers.native.uniqueName, expect.stringMatching(/^\/\w+$/)]);
    await expect(at(desktop, DEVICES, list)).rejects.toThrow(/does not allow/);
    await at(desktop, DEVICES, deregister, 'oa(iisi)uu', ...registration.slice(0, 4));
    expect(await withStrings(DEVICES, CONTROLLER, ...press)).toEqual([false]);
  });

  test('so is one for the mouse, where there is one', async () => {
    const kinds = [peers.native.export([]), PRESSED_OR_RELEASED];
    for (const member of ['RegisterDeviceEventListener', 'DeregisterDeviceEventListener']) {
      const done = at(desktop, DEVICES, `${CONTROLLER}.${member}`, 'ou', ...kinds);
      await expect(done).resolves.not.toThrow();
    }
  });

  test('a program that uses strings gets names and paths', async () => {
    const all = await withStrings(ROOT, ACCESSIBLE, 'GetChildren');
    expect(all).toEqual([[[example[0], ROOT]]]);
  });

  test('ends with its program', async () => {
    const released = Promise.all([gone(window), gone(example[1])]);
    await program.stop();
    await released;
    expect(desktop.live).toBe(true);
  });
});

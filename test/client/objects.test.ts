// What a client can know about objects of others without a description, and what a service tells of its own.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, take, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  implement,
  join as joinBus,
  DBusError,
  type Bus,
  type Call,
  type InterfaceDescription,
  type ReadOnly,
  type ReadWrite,
} from '#bridge/client/index.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { output } from '../support/process.js';
import { PLACES, type Bridge } from './home.js';
import { ServiceProcess } from './service-process.js';

const NAME = 'org.example.Lamps';

const Lamp: InterfaceDescription<
  { Blink: (times: number) => boolean },
  { Blinked: [times: number] },
  { Level: ReadWrite<number>; Label: ReadOnly<string> }
> = {
  name: 'org.example.Lamp',
  doc: 'A lamp, <on> or "off"',
  methods: { Blink: { in: 'u', out: 'b', inNames: ['times'], outNames: ['done'] } },
  signals: { Blinked: { args: 'u', argNames: ['times'] } },
  properties: {
    Level: { type: 'u', access: 'readwrite' },
    Label: { type: 's', access: 'read', emitsChanged: 'invalidates' },
  },
};

/** Where `bus1-bridge` is this package, for a program that has to be compiled: Node has no decorators of its own. */
const compiled = openFolder('counter-');
const counter = join(compiled, 'test/client/counter.js');

beforeAll(async () => {
  const options = ['--ignoreConfig', '--target', 'es2022', '--module', 'nodenext'];
  const places = ['--types', 'node', '--skipLibCheck', '--rootDir', ROOT, '--outDir', compiled];
  const source = join(ROOT, 'test/client/counter.ts');
  mkdirSync(join(compiled, 'node_modules'));
  symlinkSync(ROOT, join(compiled, 'node_modules/bus1-bridge'));
  writeFileSync(join(compiled, 'package.json'), '{"type":"module"}');
  await output(process.execPath, [
    join(ROOT, 'node_modules/.bin/tsc'),
    ...options,
    ...places,
    source,
  ]);
});
afterAll(() => rmSync(compiled, { recursive: true, force: true }));

describe.each(PLACES.map((place) => [place.title, place] as const))('%s', (_title, place) => {
  let bridge: Pick<Bridge, 'address' | 'stop'>;
  let service: Bus;
  let client: Bus;
  beforeAll(async () => {
    bridge = await place.open();
    const { transport } = place;
    service = await joinBus({ address: bridge.address, transport });
    client = await joinBus({ address: bridge.address, transport });
  });
  afterAll(async () => {
    service.close();
    client.close();
    await bridge.stop();
  });

  /** Serves a lamp; the last setter that was called is in `setBy`. */
  const lamp = (path: string) => {
    const state = { level: 1, label: 'a', setBy: '' };
    const object = service.serve(
      path,
      implement(Lamp, {
        methods: {
          Blink(times) {
            object.emitter(Lamp).Blinked(times);
            return times > 0;
          },
        },
        properties: {
          Level: {
            get: () => state.level,
            set(level: number, call: Call) {
              state.level = level;
              state.setBy = String(call.sender);
            },
          },
          Label: { get: () => state.label },
        },
      }),
    );
    return { object, state };
  };

  test('an object is used by what it says about itself', async () => {
    const { object } = lamp('/lamps/one');
    const remote = await client.object(service.uniqueName, '/lamps/one');
    expect([...remote.interfaces.keys()]).toContain(Lamp.name);
    expect(remote.interfaces.get(Lamp.name)).toMatchObject({
      annotations: { 'org.gtk.GDBus.DocString': Lamp.doc },
      methods: { Blink: { in: 'u', out: 'b', inNames: ['times'], outNames: ['done'] } },
      signals: { Blinked: { args: 'u', argNames: ['times'] } },
      properties: { Label: { type: 's', access: 'read', emitsChanged: 'invalidates' } },
    });
    expect(await remote.as(Lamp.name).methods['Blink'](2)).toBe(true);
    expect(() => remote.as('org.example.Other')).toThrow(/has no interface org.example.Other; it/);
    expect((await client.object(service.uniqueName, '/lamps')).children).toEqual(['one']);
    object.close();
  });

  test('equal calls reach the object that is at the path when they arrive', async () => {
    const { methods } = client.proxy(Lamp, service.uniqueName, '/lamps/one');
    const { object: first } = lamp('/lamps/one');
    expect(await methods.Blink(1)).toBe(true);
    first.close();
    await expect(methods.Blink(1)).rejects.toThrow(/no object at/);
    const dark = implement(Lamp, {
      methods: { Blink: () => false },
      properties: { Level: { get: () => 0, set() {} }, Label: { get: () => '' } },
    });
    const second = service.serve('/lamps/one', dark);
    expect(await methods.Blink(1)).toBe(false);
    second.close();
  });

  test('a signal that is sent right after subscribing is not lost', async () => {
    const { object } = lamp('/lamps/one');
    const proxy = client.proxy(Lamp, service.uniqueName, '/lamps/one');
    const blinks = await proxy.signals.Blinked.open();
    await proxy.methods.Blink(7);
    expect(await blinks.next()).toEqual({ value: [7], done: false });
    await blinks.return?.();
    object.close();
  });

  test('properties are all read at once, and followed', async () => {
    const { object, state } = lamp('/lamps/one');
    const proxy = client.proxy(Lamp, service.uniqueName, '/lamps/one');
    expect(await proxy.getAll()).toEqual(
      new Map<string, unknown>([
        ['Level', 1],
        ['Label', 'a'],
      ]),
    );
    const watched = await proxy.watch();
    expect(watched.get('Level')).toBe(1);
    const levels = firstValueFrom(watched.value('Level').pipe(take(2), toArray()));
    await proxy.properties.Level.set(5);
    expect(await levels).toEqual([1, 5]);
    expect(state.setBy).toBe(client.uniqueName);
    const labels = firstValueFrom(watched.value('Label').pipe(take(3), toArray()));
    state.label = 'b';
    object.changed(Lamp, 'Label');
    expect(await labels).toEqual(['a', undefined, 'b']);
    expect([...watched.values]).toEqual([
      ['Level', 5],
      ['Label', 'b'],
    ]);
    watched.close();
    object.close();
  });

  test('an object manager tells what is there, what comes and what goes', async () => {
    const root = service.serveManager('/lamps');
    const told = await client.signals({ sender: service.uniqueName, path: '/lamps' }).open();
    const { object: first } = lamp('/lamps/first');
    expect((await told.next()).value).toMatchObject({ member: 'InterfacesAdded' });
    await told.return?.();
    const managed = await client.objects(service.uniqueName, '/lamps');
    expect(managed.paths(Lamp)).toEqual(['/lamps/first']);
    expect(managed.objects.get('/lamps/first')!.get(Lamp.name)!.get('Level')).toBe(1);
    const changes = firstValueFrom(managed.changes.pipe(take(2), toArray()));
    const { object: second } = lamp('/lamps/second');
    first.close();
    expect(await changes).toEqual([
      { path: '/lamps/second', added: [Lamp.name], removed: [] },
      { path: '/lamps/first', added: [], removed: [Lamp.name] },
    ]);
    expect(managed.paths(Lamp)).toEqual(['/lamps/second']);
    expect(await managed.proxy(Lamp, '/lamps/second').methods.Blink(1)).toBe(true);
    managed.close();
    second.close();
    root.close();
  });

  test('names are watched and waited for', async () => {
    const owners = firstValueFrom(client.watchName(NAME).pipe(take(3), toArray()));
    const waiting = client.waitForName(NAME, { timeoutMs: 60_000 });
    await client.settled();
    await service.requestName(NAME);
    expect(await waiting).toBe(service.uniqueName);
    expect(await client.waitForName(NAME)).toBe(service.uniqueName);
    await service.releaseName(NAME);
    expect(await owners).toEqual([undefined, service.uniqueName, undefined]);
    await expect(client.waitForName(NAME, { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'Timeout',
    });
    const reason = new Error('enough');
    await expect(client.waitForName(NAME, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
  });

  test('the bus tells who is behind a name', async () => {
    const { pid, uid } = await client.credentials(service.uniqueName);
    expect([pid, uid]).toEqual([process.pid, process.getuid!()]);
  });

  test('an error tells who awaits the call', async () => {
    const call = () => client.call({ destination: 'org.example.Nobody', member: 'Any' });
    const awaitNobody = async (): Promise<void> => {
      await call();
    };
    const error = await awaitNobody().catch((each: unknown) => each);
    expect(error).toBeInstanceOf(DBusError);
    expect((error as Error).stack).toContain('awaitNobody');
  });

  test('and with `callSites`, which functions led to it', async () => {
    const watched = await joinBus({
      address: bridge.address,
      transport: place.transport,
      callSites: true,
    });
    const callNobody = () => watched.call({ destination: 'org.example.Nobody', member: 'Any' });
    const error = await callNobody().catch((each: unknown) => each);
    watched.close();
    expect(error).toBeInstanceOf(DBusError);
    expect((error as Error).stack).toContain('callNobody');
  });

  test('a class with decorators is a service', async () => {
    const process = await ServiceProcess.start(counter, bridge.address, place.transport);
    const remote = await client.object(process.uniqueName, '/counter');
    const proxy = remote.as('org.example.Counter');
    const { methods, properties, signals } = proxy;
    const added = await signals['Added'].open();
    expect(await methods['Add'](4)).toBe(7);
    expect((await added.next()).value).toEqual([4]);
    await properties['Count'].set(1);
    expect(await proxy.getAll()).toEqual(new Map([['Count', 1]]));
    await added.return?.();
    await process.end();
  });
});

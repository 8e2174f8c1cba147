// A native peer works with capabilities where a legacy program works with strings, on the same service.
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Capability, implement, type Bus, type Signal } from '#bridge/client/index.js';
import { connect, watchNames } from '../support/names.js';
import { start } from '../support/process.js';
import { Bridge, call, gone, KEEPER, legacyCall } from './bridge.js';
import { figuresAtRest } from './figures.js';
import { Jukebox, LISTENER, NAME, PATH, trackPath } from './jukebox.js';

const PLAYER = 'org.example.Player1';
const PROPERTIES = 'org.freedesktop.DBus.Properties';
const ERROR = 'org.freedesktop.DBus.Error';

let bridge: Bridge;
let service: Jukebox;
let bus: Bus;
let jukebox: Capability;

beforeEach(async () => {
  bridge = await Bridge.start('--mapping', joinPath(import.meta.dirname, 'jukebox.yaml'));
  service = await Jukebox.start(bridge.address);
  bus = await bridge.native();
  jukebox = await bus.resolve(NAME);
});

afterEach(async () => {
  const names = await watchNames(service.player.bus);
  bus.close();
  await names.gone(bus.uniqueName);
  service.stop();
  await bridge.stop();
});

const find = async (): Promise<Capability[]> =>
  (await call(jukebox, `${PLAYER}.Find`)) as Capability[];
const play = async (track: Capability): Promise<Capability> =>
  (await call(jukebox, `${PLAYER}.Play`, 'o', track)) as Capability;

describe('calls', () => {
  test('paths in results are handles, and handles in arguments are paths', async () => {
    const [one, two] = await find();
    expect([one, two].every((track) => track instanceof Capability)).toBe(true);
    expect(await call(two, `${PROPERTIES}.Get`, 'ss', 'org.example.Track1', 'Title')).toMatchObject(
      {
        value: 'title two',
      },
    );
    expect(await play(two)).toBeInstanceOf(Capability);
    expect(service.events).toEqual([`play ${trackPath('two')}`]);
  });

  test('the service sees who calls', async () => {
    await find();
    expect(service.calls.at(-1)).toEqual({ what: 'Find', who: bus.uniqueName });
  });

  test('properties', async () => {
    const current = await call(jukebox, `${PROPERTIES}.Get`, 'ss', PLAYER, 'Current');
    const all = await call(jukebox, `${PROPERTIES}.GetAll`, 's', PLAYER);
    const [capability, other] = [current, (all as Map<string, unknown>).get('Current')].map(
      (variant) => (variant as { value: unknown }).value,
    );
    expect(capability).toBeInstanceOf(Capability);
    expect(other).toBeInstanceOf(Capability);
    await play(capability as Capability);
    expect(service.events).toEqual([`play ${trackPath('one')}`]);
  });

  test('members have the names that the mapping gives them', async () => {
    expect(await call(jukebox, `${PLAYER}.PlayPause`)).toBe('toggled');
  });

  test('an object that always has the same path is reached by it', async () => {
    const settings = {
      interface: 'org.example.Settings1',
      member: 'Reset',
      path: `${PATH}/settings`,
    };
    expect((await jukebox.call(settings)).body).toEqual(['reset']);
  });

  test('64 at once are all answered', async () => {
    const all = await Promise.all(Array.from({ length: 64 }, () => find()));
    expect(all.every((tracks) => tracks.length === 2)).toBe(true);
  });

  test('errors of the service arrive as they are', async () => {
    await expect(call(jukebox, `${PLAYER}.None`)).rejects.toMatchObject({
      name: `${ERROR}.UnknownMethod`,
    });
  });

  test('a legacy program uses the same service by strings meanwhile', async () => {
    const [, two] = await find();
    const legacy = await connect(bridge.address);
    const to = { destination: NAME, path: PATH, interface: 'org.example.Jukebox1' };
    expect(await legacyCall(legacy, { ...to, member: 'Find' })).toEqual([
      [trackPath('one'), trackPath('two')],
    ]);
    expect(await legacyCall(legacy, { ...to, member: 'DumpState' })).toEqual(['secret']);
    await play(two);
    legacy.disconnect();
  });
});

describe('what is not given cannot be used', () => {
  const refusals: [string, () => Promise<unknown>, string, RegExp][] = [
    [
      'the path of an object in place of a handle',
      () => call(jukebox, `${PLAYER}.Play`, 'o', trackPath('one')),
      'AccessDenied',
      /tracks\/one is the path of a track, but a handle to one is needed/,
    ],
    [
      'a path that is called by way of the name',
      () =>
        jukebox.call({ path: trackPath('one'), interface: 'org.example.Track1', member: 'Rename' }),
      'UnknownObject',
      /does not lead to/,
    ],
    [
      'a handle to an object of another kind',
      () => call(jukebox, `${PLAYER}.Play`, 'o', jukebox),
      'InvalidArgs',
      /a track is needed/,
    ],
    [
      'a handle to an object of nobody that the service knows',
      () => call(jukebox, `${PLAYER}.Play`, 'o', bus.export([])),
      'InvalidArgs',
      /leads elsewhere/,
    ],
    [
      'a path in a call that names no interface',
      () => jukebox.call({ member: 'Play', signature: 'o', body: [trackPath('one')] }),
      'AccessDenied',
      /a handle to one is needed/,
    ],
    [
      'a method that is left out',
      () => call(jukebox, `${PLAYER}.DumpState`),
      'UnknownMethod',
      /does not allow/,
    ],
    [
      'a handle where the mapping has no object',
      () => call(jukebox, 'org.example.Other.Do', 'o', jukebox),
      'NotSupported',
      /takes none there/,
    ],
  ];

  test.each(refusals)('%s', async (_what, act, error, message) => {
    await expect(act()).rejects.toMatchObject({
      name: `${ERROR}.${error}`,
      message: expect.stringMatching(message),
    });
    expect(service.events).toEqual([]);
  });

  test('a handle that is good for some members is good for no others', async () => {
    const remote = (await call(jukebox, `${PLAYER}.Remote`)) as Capability;
    expect(await call(remote, `${PLAYER}.PlayPause`)).toBe('toggled');
    const properties = (await call(remote, `${PROPERTIES}.GetAll`, 's', PLAYER)) as Map<
      string,
      unknown
    >;
    expect([...properties.keys()]).toEqual(['Volume']);
    for (const method of ['Find', 'DumpState']) {
      await expect(call(remote, `${PLAYER}.${method}`)).rejects.toMatchObject({
        name: `${ERROR}.UnknownMethod`,
      });
    }
  });
});

describe('the end of an object', () => {
  test('the last handle that is let go calls what releases the object', async () => {
    const [one] = await find();
    const playback = await play(one);
    playback.release();
    await service.happened('stop 1');
    expect(service.calls.at(-1)).toEqual({ what: 'Stop', who: bus.uniqueName });
  });

  test('so does a native peer that is gone', async () => {
    const other = await bridge.native();
    const far = await other.resolve(NAME);
    const [one] = (await call(far, `${PLAYER}.Find`)) as Capability[];
    await call(far, `${PLAYER}.Play`, 'o', one);
    other.close();
    await service.happened('stop 1');
    expect(service.calls.at(-1)).toEqual({ what: 'Stop', who: other.uniqueName });
  });

  test('a handle that another one holds, too, does not', async () => {
    const other = await bridge.native();
    const kept: Capability[] = [];
    const keep = (one: Capability): void => void kept.push(one);
    other.serve('/keeper', [implement(KEEPER, { methods: { Keep: keep } })]);
    const [one] = await find();
    const playback = await play(one);
    const keeper = await bus.resolve(other.uniqueName);
    const member = { path: '/keeper', interface: KEEPER.name, member: 'Keep', signature: 'o' };
    await keeper.call({ ...member, body: [playback] });
    playback.release();
    await call(kept[0], 'org.freedesktop.DBus.Peer.Ping');
    expect(service.calls.at(-1)?.who).toBe(other.uniqueName);
    expect(service.events).not.toContain('stop 1');
    kept[0].release();
    await service.happened('stop 1');
    other.close();
  });

  test('a call that ends it releases the handles to it, and nothing is called then', async () => {
    const [one] = await find();
    const playback = await play(one);
    const released = gone(playback);
    await call(playback, 'org.example.Playback1.Stop');
    await released;
    await find();
    expect(service.events.filter((event) => event === 'stop 1')).toHaveLength(1);
  });

  test('a signal that says so releases the handles to it', async () => {
    const [one, two] = await find();
    const released = gone(two);
    service.player.TrackRemoved(trackPath('two'));
    await released;
    expect([one.live, two.live]).toEqual([true, false]);
    await play(one);
  });

  test('the end of the service releases all', async () => {
    const [one] = await find();
    const released = [jukebox, one].map((capability) => gone(capability));
    service.stop();
    await Promise.all(released);
    await expect(bus.call({ destination: NAME, member: 'Find' })).rejects.toMatchObject({
      name: `${ERROR}.ServiceUnknown`,
    });
    service = await Jukebox.start(bridge.address);
    jukebox = await bus.resolve(NAME);
    expect(await find()).toHaveLength(2);
  });
});

describe('signals', () => {
  const listenTo = async (object: Capability): Promise<AsyncGenerator<Signal>> => {
    const signals: Signal[] = [];
    let wake = (): void => {};
    const listener = bus.export([], {
      onSignal: (signal) => {
        signals.push(signal);
        wake();
      },
    });
    await call(object, 'org.bus1.Signals.Subscribe', 'o', listener);
    return (async function* () {
      for (;;) {
        while (signals.length > 0) yield signals.shift()!;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    })();
  };

  test('of an object reach whoever has asked through a handle to it', async () => {
    const [one, two] = await find();
    const [ofOne, ofTwo] = [await listenTo(one), await listenTo(two)];
    await call(one, 'org.example.Track1.Rename', 's', 'first');
    await call(two, 'org.example.Track1.Rename', 's', 'second');
    const heard = [(await ofOne.next()).value!, (await ofTwo.next()).value!];
    expect(heard.map(({ body }: Signal) => body)).toEqual([['first'], ['second']]);
    expect(heard[0]).toMatchObject({ interface: 'org.example.Track1', member: 'Renamed' });
  });

  test('of an object reach whoever subscribes to them by its interface', async () => {
    const track = {
      name: 'org.example.Track1',
      methods: { Rename: { in: 's', out: '' } },
      signals: { Renamed: { args: 's' } },
      properties: {},
    };
    const [one, two] = (await find()).map((capability) => capability.as(track));
    const heard: unknown[] = [];
    const subscription = one.signals['Renamed'].subscribe(([title]) => heard.push(title));
    const next = one.signals['Renamed'][Symbol.asyncIterator]();
    const renamed = next.next();
    await two.methods['Rename']('second');
    await one.methods['Rename']('first');
    expect((await renamed).value).toEqual(['first']);
    expect(heard).toEqual(['first']);
    subscription.unsubscribe();
    await next.return!();
  });

  test('that the service sends to one client are for its handles alone', async () => {
    const [one] = await find();
    const [playback, other] = [await play(one), await play(one)];
    const signals = await listenTo(playback);
    const released = gone(playback);
    service.player.finish(bus.uniqueName, 1);
    expect((await signals.next()).value).toMatchObject({ member: 'Finished' });
    await released;
    expect(other.live).toBe(true);
  });

  test('paths in them are handles, and the last one comes before the end', async () => {
    const signals = await listenTo(jukebox);
    service.player.TrackAdded(trackPath('two'));
    const { value: added } = await signals.next();
    expect(added).toMatchObject({ interface: PLAYER, member: 'TrackAdded' });
    await play(added!.body[0] as Capability);
    expect(service.events).toEqual([`play ${trackPath('two')}`]);
    const released = gone(added!.body[0] as Capability);
    service.player.TrackRemoved(trackPath('two'));
    expect((await signals.next()).value).toMatchObject({ member: 'TrackRemoved' });
    await released;
  });
});

describe('an object of the native peer', () => {
  test('is called by the service, with handles for paths both ways', async () => {
    const [one, two] = await find();
    const given: unknown[] = [];
    const listener = bus.export([
      implement(LISTENER, {
        methods: {
          Choose: (track: unknown) => {
            given.push(track);
            return two;
          },
        },
      }),
    ]);
    await call(jukebox, `${PLAYER}.Watch`, 'o', listener);
    const [watch] = service.events;
    expect(watch).toMatch(/^watch \/bus1_\d+$/);
    const reply = await service.player.choose(bus.uniqueName, trackPath('one'));
    expect(reply.body).toEqual([trackPath('two')]);
    expect(given[0]).toBeInstanceOf(Capability);
    await call(jukebox, `${PLAYER}.Watch`, 'o', listener);
    expect(service.events).toEqual([watch, watch]);
    expect(one.live).toBe(true);
  });

  test('that is not offered any more is not there', async () => {
    const listener = bus.export([
      implement(LISTENER, { methods: { Choose: (one: unknown) => one } }),
    ]);
    await call(jukebox, `${PLAYER}.Watch`, 'o', listener);
    bus.unexport(listener);
    await expect(service.player.choose(bus.uniqueName, trackPath('one'))).rejects.toMatchObject({
      type: expect.stringMatching(/UnknownObject|NoReply/),
    });
  });
});

describe('for the bus', () => {
  test('nothing is left of native peers that have gone', async () => {
    const names = await watchNames(service.player.bus);
    const visit = async (isOrderly: boolean): Promise<void> => {
      const visitor = await bridge.native();
      const far = await visitor.resolve(NAME);
      const [one] = (await call(far, `${PLAYER}.Find`)) as Capability[];
      const playback = (await call(far, `${PLAYER}.Play`, 'o', one)) as Capability;
      const listener = visitor.export([implement(LISTENER, { methods: { Choose: () => one } })]);
      await call(far, `${PLAYER}.Watch`, 'o', listener);
      await call(playback, 'org.bus1.Signals.Subscribe', 'o', visitor.export([]));
      await service.player.choose(visitor.uniqueName, trackPath('two'));
      if (isOrderly) for (const capability of [playback, one, far]) capability.release();
      visitor.close();
      await names.gone(visitor.uniqueName);
    };
    await visit(true);
    const before = await figuresAtRest(service.player.bus);
    for (let i = 0; i < 10; i++) await visit(i % 2 === 0);
    expect(Object.keys(before)).toContain('org.bus1.Core.Nodes');
    expect(await figuresAtRest(service.player.bus)).toEqual(before);
  });

  test('a native peer without a mapping for a name talks to its owner', async () => {
    const other = await connect(bridge.address);
    await other.requestName('org.example.Other', 0);
    const capability = await bus.resolve('org.example.Other');
    expect(await call(capability, 'org.freedesktop.DBus.Peer.Ping')).toBe(undefined);
    other.disconnect();
  });

  test('a monitor sees calls as the service does', async () => {
    const monitor = start('dbus-monitor', ['--address', bridge.address, "member='Play'"]);
    await monitor.waitForLine(/NameLost/);
    const [one] = await find();
    await play(one);
    const line = await monitor.waitForLine(/member=Play/);
    expect(line).toContain(`sender=${bus.uniqueName} -> destination=${NAME}`);
    expect(line).toContain(`path=${PATH}; interface=org.example.Jukebox1`);
    expect(await monitor.waitForLine(/object path/)).toContain(trackPath('one'));
    await monitor.stop();
  });
});

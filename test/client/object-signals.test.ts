// Signals of objects that are capabilities: who has one subscribes through it, with a bus or without. Needs a domain.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  Capability,
  Domain,
  implement,
  Variant,
  type InterfaceDescription,
  type Signal,
} from '#bridge/client/index.js';
import { openBus, openDomain, type Home } from './home.js';
import { Listener, PATH, SERVICE, Service } from './service-description.mjs';

const ERROR = 'org.freedesktop.DBus.Error';
const SUBSCRIBE = { interface: 'org.bus1.Signals', member: 'Subscribe', signature: 'o' };

describe.each([
  ['in a domain without D-Bus', openDomain],
  ['on a bus', openBus],
])('of another process, %s', (_title, open) => {
  let home: Home;
  beforeAll(async () => {
    home = await open();
  });
  afterAll(() => home.stop());

  const call = async (member: string, ...body: readonly unknown[]) => {
    const { in: signature } = Service.methods[member];
    const to = { path: PATH, interface: SERVICE };
    return (await home.capability.call({ ...to, member, signature, body })).body[0];
  };
  const make = async () => (await call('Make', 'one')) as Capability;

  test('reach who subscribes and who iterates, until the object is gone', async () => {
    const { signals } = (await make()).as(Listener);
    const all = lastValueFrom(signals['Heard'].pipe(toArray()));
    const read = (async () => {
      const texts: unknown[] = [];
      for await (const [text] of signals['Heard']) texts.push(text);
      return texts;
    })();
    for (const text of ['a', 'b', 'c']) await call('EmitMade', text);
    await call('End');
    expect(await all).toEqual([['a'], ['b'], ['c']]);
    expect(await read).toEqual(['a', 'b', 'c']);
  });

  test('come again to who subscribes again', async () => {
    const { signals } = (await make()).as(Listener);
    for (const text of ['first', 'second']) {
      const heard = firstValueFrom(signals['Heard']);
      await call('EmitMade', text);
      expect(await heard).toEqual([text]);
    }
    await call('End');
  });

  test('end with the process of the object', async () => {
    const { signals } = (await make()).as(Listener);
    const all = lastValueFrom(signals['Heard'].pipe(toArray()));
    await call('EmitMade', 'last');
    await home.service.end('SIGKILL');
    expect(await all).toEqual([['last']]);
  });
});

const Thing: InterfaceDescription = {
  name: 'org.example.Thing',
  methods: { Ping: { in: '', out: '' } },
  signals: { Said: { args: 's' }, Given: { args: 'o' } },
  properties: { Level: { type: 'u', access: 'readwrite' } },
};
const Keeper: InterfaceDescription = {
  name: 'org.example.Keeper',
  methods: { Keep: { in: 'o', out: '' }, Kept: { in: '', out: 'o' } },
  signals: {},
  properties: {},
};

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('between members of one domain', () => {
  let directory: string;
  let root: Domain;
  let second: Domain;
  let third: Domain;
  let diagnostics: string[];
  let reads: number;
  let ended: Promise<void>;
  /** of `root`, and what `second` has of it */
  let own: Capability;
  let thing: Capability;

  /** what `root` keeps for whoever asks */
  let kept: Capability;

  /** Hands a capability from one member to another, without a third one who has it meanwhile. */
  const hand = async (capability: Capability, to: Domain, from: Domain): Promise<Capability> => {
    let take = (_one: Capability): void => {};
    const taken = new Promise<Capability>((resolve) => (take = resolve));
    const methods = { Keep: (one: Capability) => take(one), Kept: () => kept };
    await to.root.as(Keeper).methods['Keep'](to.export(implement(Keeper, { methods })));
    const keeper = (await from.root.as(Keeper).methods['Kept']()) as Capability;
    await keeper.as(Keeper).methods['Keep'](capability);
    const one = await taken;
    take = () => {}; // `to` keeps what is behind the keeper, and with it this
    return one;
  };

  beforeEach(async () => {
    directory = mkdtempSync(joinPath(tmpdir(), 'signals-'));
    const path = joinPath(directory, 'authority');
    diagnostics = [];
    reads = 0;
    const methods = { Keep: (one: Capability) => void (kept = one), Kept: () => kept };
    const onDiagnostic = (text: string) => void diagnostics.push(text);
    root = await Domain.create(path, implement(Keeper, { methods }), { onDiagnostic });
    second = await Domain.join(path, { maxima: { objects: 64, bytes: 1 << 20, descriptors: 16 } });
    third = await Domain.join(path);
    let level = 1;
    const Level = { get: () => (reads++, level), set: (value: number) => void (level = value) };
    const served = implement(Thing, { methods: { Ping() {} }, properties: { Level } });
    ended = new Promise((resolve) => (own = root.export(served, { onEnd: resolve })));
    thing = await hand(own, second, root);
  });
  afterEach(() => {
    for (const member of [third, second, root]) member.close();
    rmSync(directory, { recursive: true });
  });

  const say = (text: string) => root.objectOf(own).emitter(Thing)['Said'](text);
  const ping = async (one = thing) => void (await one.as(Thing).methods['Ping']());

  test('one listener is enough for all who hear an object, and it goes with the last of them', async () => {
    let count = 0;
    const gone: Promise<void>[] = [];
    const counting = implement(
      { ...Keeper, name: SUBSCRIBE.interface, methods: { Subscribe: { in: 'o', out: '' } } },
      {
        methods: {
          Subscribe(listener: Capability) {
            count++;
            gone.push(new Promise((resolve) => listener.onRelease(resolve)));
          },
        },
      },
    );
    const counted = await hand(root.export(counting), second, root);
    const { signals } = counted.as(Thing);
    const subscriptions = [signals['Said'].subscribe(), signals['Given'].subscribe()];
    await counted.call({ interface: 'org.freedesktop.DBus.Peer', member: 'Ping' });
    expect(count).toBe(1);
    for (const each of subscriptions) each.unsubscribe();
    await gone[0];
    const again = signals['Said'].subscribe();
    await counted.call({ interface: 'org.freedesktop.DBus.Peer', member: 'Ping' });
    expect(count).toBe(2);
    again.unsubscribe();
    await gone[1];
  });

  test('are told apart by name, and bring capabilities', async () => {
    const said = firstValueFrom(thing.as(Thing).signals['Said']);
    const given = firstValueFrom(thing.as(Thing).signals['Given']);
    await ping();
    root.objectOf(own).emitter(Thing)['Given'](own);
    say('text');
    expect(await said).toEqual(['text']);
    const [capability] = (await given) as [Capability];
    expect(capability.equals(thing)).toBe(true);
  });

  test('reach whoever was handed the capability by somebody else', async () => {
    const passed = await hand(thing, third, second);
    const heard = [thing, passed].map((one) => firstValueFrom(one.as(Thing).signals['Said']));
    await ping();
    await ping(passed);
    say('to both');
    expect(await Promise.all(heard)).toEqual([['to both'], ['to both']]);
  });

  test('reach the process of the object itself', async () => {
    const heard = firstValueFrom(own.as(Thing).signals['Said']);
    await ping(own);
    say('here');
    expect(await heard).toEqual(['here']);
  });

  test('PropertiesChanged: nothing is read for nobody', async () => {
    await thing.as(Thing).properties['Level'].set(2);
    expect(reads).toBe(0);
    const properties = {
      ...Keeper,
      name: 'org.freedesktop.DBus.Properties',
      methods: {},
      signals: { PropertiesChanged: { args: 'sa{sv}as' } },
    };
    const changed = thing.as(properties).signals['PropertiesChanged'].pipe(take(2), toArray());
    const heard = firstValueFrom(changed);
    await thing.as(Thing).properties['Level'].set(3);
    root.objectOf(own).changed(Thing, 'Level');
    const values = [Thing.name, new Map([['Level', new Variant('u', 3)]]), []];
    expect(await heard).toEqual([values, values]);
  });

  test('complete when the capability is given back, and when the domain is left', async () => {
    const other = await hand(own, third, root);
    const released = lastValueFrom(thing.as(Thing).signals['Said'].pipe(toArray()));
    const left = lastValueFrom(other.as(Thing).signals['Said'].pipe(toArray()));
    await ping();
    await ping(other);
    say('once');
    await ping();
    await ping(other);
    thing.release();
    third.close();
    expect([await released, await left]).toEqual([[['once']], [['once']]]);
  });

  test('keep no object: listeners go with it', async () => {
    const subscription = thing.as(Thing).signals['Said'].subscribe();
    await ping();
    own.release();
    thing.release();
    await ended;
    expect(subscription.closed).toBe(true);
  });

  test('a capability is kept as long as somebody hears its object, and no longer', async () => {
    const texts: unknown[] = [];
    const subscription = thing.as(Thing).signals['Said'].subscribe(([text]) => texts.push(text));
    await ping();
    const object = root.objectOf(own);
    own.release();
    thing = kept; // the last reference here
    await collectGarbage();
    object.emitter(Thing)['Said']('still there');
    await second.root.as(Keeper).methods['Kept']();
    expect(texts).toEqual(['still there']);
    subscription.unsubscribe();
    let hasEnded = false;
    void ended.then(() => (hasEnded = true));
    await expect.poll(() => collectGarbage().then(() => hasEnded)).toBe(true);
  });

  test('how many listeners there may be is a matter of quota, and those that go make room', async () => {
    const path = joinPath(directory, 'narrow');
    const maxima = { objects: 64, bytes: 1 << 20, descriptors: 16 };
    const narrow = await Domain.create(
      path,
      implement(Keeper, { methods: { Keep() {}, Kept: () => own } }),
      { maxima },
    );
    const member = await Domain.join(path);
    const listeners: Capability[] = [];
    const subscribe = async (): Promise<void> => {
      const listener = member.export([]);
      await member.root.call({ ...SUBSCRIBE, body: [listener] });
      listeners.push(listener);
    };
    const many = async (): Promise<void> => {
      for (let i = 0; i < 1000; i++) await subscribe();
    };
    await expect(many()).rejects.toMatchObject({ code: 'OverQuota' });
    expect(listeners.length).toBeGreaterThan(1);
    for (const listener of listeners) member.unexport(listener);
    await expect
      .poll(() =>
        subscribe().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    member.close();
    narrow.close();
  });

  test('errors of Subscribe go to all who want to hear', async () => {
    const refusing = implement(
      { ...Keeper, name: SUBSCRIBE.interface, methods: { Subscribe: { in: 's', out: '' } } },
      { methods: { Subscribe() {} } },
    );
    const { signals } = (await hand(root.export(refusing), second, root)).as(Thing);
    const both = [signals['Said'], signals['Given']].map((each) => firstValueFrom(each));
    const invalid = { status: 'rejected', reason: { name: `${ERROR}.InvalidArgs` } };
    expect(await Promise.allSettled(both)).toMatchObject([invalid, invalid]);
    root.unexport(own);
    await new Promise<void>((resolve) => thing.onRelease(resolve));
    await expect(firstValueFrom(thing.as(Thing).signals['Said'])).rejects.toMatchObject({
      code: 'CapabilityLost',
    });
  });

  test('a path is no listener', async () => {
    const wrong = thing.call({ ...SUBSCRIBE, body: ['/path'] });
    await expect(wrong).rejects.toMatchObject({ name: `${ERROR}.InvalidArgs` });
  });

  test('a listener that has too much waiting loses signals, and others do not', async () => {
    const other = await hand(own, third, root);
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
    const all = firstValueFrom(other.as(Thing).signals['Said'].pipe(take(200), toArray()));
    const some: Signal[] = [];
    const listener = second.export([], { onSignal: (signal) => void some.push(signal) });
    await thing.call({ ...SUBSCRIBE, body: [listener] });
    await ping(other);
    for (const text of texts) say(text); // nobody looks at what has arrived meanwhile
    expect((await all).flat()).toEqual(texts);
    await ping();
    expect(some.length).toBeGreaterThan(0);
    expect(some.length).toBeLessThan(200);
    expect(diagnostics.filter((text) => text.includes('has lost a signal'))).toHaveLength(
      200 - some.length,
    );
  });

  test('values that are not of their types are refused here', async () => {
    const subscription = thing.as(Thing).signals['Said'].subscribe();
    await ping();
    expect(() => root.objectOf(own).emitter(Thing)['Said'](1)).toThrow(/argument 0/);
    subscription.unsubscribe();
  });

  test('only the maker of an object has what is behind it', () => {
    expect(() => second.objectOf(thing)).toThrow(TypeError);
    expect(() => root.objectOf(kept)).toThrow(TypeError);
  });
});

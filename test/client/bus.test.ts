// Native processes on a bus, in its domain and over sockets: names, signals, and legacy software as the other side.
import { once } from 'node:events';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  implement,
  join,
  joinSync,
  ReleaseNameReply,
  RequestNameReply,
  Variant,
  type Bus,
} from '#bridge/client/index.js';
import { MessageType } from '#bridge/wire/types.js';
import { RawClient } from '../support/raw-client.js';
import { Bridge, needsDomain, needsOurBus, needsSocket, PLACES } from './home.js';
import { PATH, SERVICE, Service } from './service-description.mjs';
import { ServiceProcess } from './service-process.js';

const DRIVER = 'org.freedesktop.DBus';
const driver = (member: string, signature = '', body: readonly unknown[] = []) => ({
  destination: DRIVER,
  path: '/org/freedesktop/DBus',
  interface: DRIVER,
  member,
  signature,
  body,
});

const greeter = {
  name: 'org.example.Greeter',
  methods: { Greet: { in: '', out: 's' } },
  signals: { Greeted: { args: 's' } },
  properties: {},
};

describe.each(PLACES.map((place) => [place.title, place] as const))('%s', (_title, place) => {
  const { transport } = place;
  let bridge: Pick<Bridge, 'address' | 'stop'>;
  let bus: Bus;
  let service: ServiceProcess;

  beforeAll(async () => {
    bridge = await place.open();
    service = await ServiceProcess.start('service.mjs', transport, bridge.address, SERVICE);
    bus = await join({ address: bridge.address, transport });
  });

  afterAll(async () => {
    bus.close();
    await service.end();
    await bridge.stop();
  });

  const call = async (member: string, body: readonly unknown[] = [], destination = SERVICE) => {
    const { in: signature } = Service.methods[member];
    const reply = await bus.call({
      destination,
      path: PATH,
      interface: SERVICE,
      member,
      signature,
      body,
    });
    return reply.body[0];
  };
  const owner = async (name: string) =>
    (await bus.call(driver('GetNameOwner', 's', [name]))).body[0];

  describe('a native peer', () => {
    test('is a connection with a unique name and the credentials of its process', async () => {
      expect(bus.uniqueName).toMatch(/^:\d+\.\d+$/);
      expect(await owner(SERVICE)).toBe(service.uniqueName);
      const { body } = await bus.call(
        driver('GetConnectionCredentials', 's', [service.uniqueName]),
      );
      const credentials = body[0] as Map<string, Variant>;
      expect(credentials.get('ProcessID')!.value).toBe(service.child.pid);
      expect(credentials.get('UnixUserID')!.value).toBe(process.getuid!());
    });

    test('is called by name, unique or not, and knows the caller', async () => {
      expect(await call('Sender')).toBe(bus.uniqueName);
      expect(await call('Sender', [], service.uniqueName)).toBe(bus.uniqueName);
    });

    test('calls a name that nobody owns: an error, also synchronously', async () => {
      const nobody = { destination: 'org.example.Nobody', member: 'Any' };
      const error = { name: 'org.freedesktop.DBus.Error.ServiceUnknown' };
      await expect(bus.call(nobody)).rejects.toMatchObject(error);
      expect(() => bus.callSync(nobody)).toThrow(expect.objectContaining(error));
      await expect(bus.resolve('no name')).rejects.toThrow(/not a valid bus name/);
    });

    test('does all that blocking, too', () => {
      const other = joinSync({ address: bridge.address, transport });
      expect(other.requestNameSync('org.example.Sync')).toBe(RequestNameReply.PrimaryOwner);
      const echo = { path: PATH, interface: SERVICE, member: 'Echo', signature: 's', body: ['x'] };
      expect(other.callSync({ destination: SERVICE, ...echo }).body).toEqual(['x']);
      expect(other.resolveSync(SERVICE).callSync(echo).body).toEqual(['x']);
      expect(other.releaseNameSync('org.example.Sync')).toBe(ReleaseNameReply.Released);
      other.close();
    });

    test('closes: calls that wait are rejected, names are gone, and nothing can be done any more', async () => {
      const other = await join({ address: bridge.address, transport });
      await other.requestName('org.example.Short');
      const capability = await other.resolve(SERVICE);
      const toService = { path: PATH, interface: SERVICE };
      await capability.call({ ...toService, member: 'Sender' });
      const hanging = capability.call({ ...toService, member: 'Hang' });
      other.close();
      await expect(hanging).rejects.toMatchObject({ code: 'BusClosed' });
      expect(await other.closed).toMatch(/close/);
      await expect(other.call(driver('GetId'))).rejects.toMatchObject({ code: 'BusClosed' });
      expect(await call('WhenAborted')).toMatch(/gone/);
      await expect(owner('org.example.Short')).rejects.toMatchObject({
        name: 'org.freedesktop.DBus.Error.NameHasNoOwner',
      });
    });
  });

  describe('names', () => {
    const NAME = 'org.example.Contended';

    test('pass from one owner to the next in the queue, with the capability lost in between', async () => {
      const lost = firstValueFrom(bus.nameLost);
      expect(await bus.requestName(NAME)).toBe(RequestNameReply.PrimaryOwner);
      expect(await bus.requestName(NAME)).toBe(RequestNameReply.AlreadyOwner);
      expect(await call('RequestName', [NAME, false])).toBe(RequestNameReply.Exists);
      expect(await call('RequestName', [NAME, true])).toBe(RequestNameReply.InQueue);
      const capability = await bus.resolve(NAME);
      const gone = new Promise<void>((resolve) => capability.onRelease(resolve));
      expect(await bus.releaseName(NAME)).toBe(ReleaseNameReply.Released);
      await gone;
      expect(await lost).toBe(NAME);
      expect(await owner(NAME)).toBe(service.uniqueName);
      expect(await call('Echo', ['by the next owner'], NAME)).toBe('by the next owner');
      expect(await call('ReleaseName', [NAME])).toBe(ReleaseNameReply.Released);
    });

    test('are replaced, kept in the queue, and come back', async () => {
      const other = await join({ address: bridge.address, transport });
      const events: string[] = [];
      other.nameAcquired.subscribe((name) => events.push(`acquired ${name}`));
      other.nameLost.subscribe((name) => events.push(`lost ${name}`));
      const greet = (who: string) => implement(greeter, { methods: { Greet: () => who } });
      other.serve('/greeter', greet('other'));
      const own = bus.serve('/greeter', greet('own'));
      const ask = async () =>
        (
          await bus.call({
            destination: NAME,
            path: '/greeter',
            interface: greeter.name,
            member: 'Greet',
          })
        ).body[0];

      await other.requestName(NAME, { allowReplacement: true });
      expect(await ask()).toBe('other');
      expect(await bus.requestName(NAME, { replaceExisting: true })).toBe(
        RequestNameReply.PrimaryOwner,
      );
      expect(await ask()).toBe('own');
      await bus.releaseName(NAME);
      expect(await ask()).toBe('other');
      await other.settled();
      expect(events).toEqual([`acquired ${NAME}`, `lost ${NAME}`, `acquired ${NAME}`]);
      own.close();
      other.close();
    });

    needsDomain(place, () => {
      test('whose owner is to have them again, and does not stir: calls wait for it, but not for ever', async () => {
        const HOLDER = 'org.example.Holder';
        const holder = await ServiceProcess.start('service.mjs', transport, bridge.address, HOLDER);
        await call('Offer', [NAME], HOLDER);
        const [successor, caller] = [
          RawClient.open(bridge.address),
          RawClient.open(bridge.address),
        ];
        const echo = { destination: NAME, path: PATH, interface: SERVICE, member: 'Echo' };
        const ask = (): number => caller.startCall({ ...echo, signature: 's' }, ['it is']);

        holder.child.kill('SIGSTOP');
        successor.callBus('RequestName', 'su', [NAME, 2]);
        successor.callBus('ReleaseName', 's', [NAME]);
        expect(await owner(NAME)).toBe(holder.uniqueName);
        expect(caller.replyTo(ask()).errorName).toBe('org.freedesktop.DBus.Error.ServiceUnknown');
        const waiting = ask();
        holder.child.kill('SIGCONT');
        expect(caller.replyTo(waiting).body).toEqual(['it is']);

        for (const client of [successor, caller]) client.close();
        await holder.end();
      });
    });

    test('that are not valid, or reserved, are refused', async () => {
      const invalid = { name: 'org.freedesktop.DBus.Error.InvalidArgs' };
      await expect(bus.requestName('nodots')).rejects.toMatchObject(invalid);
      await expect(bus.requestName(DRIVER)).rejects.toMatchObject(invalid);
    });
  });

  describe('signals', () => {
    test('reach who subscribes by an Observable', async () => {
      const said = firstValueFrom(
        bus
          .signals({ sender: SERVICE, interface: SERVICE, member: 'Said' })
          .pipe(take(2), toArray()),
      );
      await call('Emit', ['one']);
      await call('Emit', ['two']);
      const signals = await said;
      expect(signals.map(({ body }) => body)).toEqual([['one'], ['two']]);
      expect(signals[0]).toMatchObject({
        sender: service.uniqueName,
        path: PATH,
        member: 'Said',
        signature: 's',
      });
    });

    test('and who iterates, by a proxy too, each from the start of its loop', async () => {
      const { signals } = bus.proxy(Service, SERVICE, PATH);
      const texts: unknown[] = [];
      const reading = (async () => {
        for await (const [text] of signals['Said']) {
          texts.push(text);
          if (texts.length === 3) return;
        }
      })();
      for (const text of ['a', 'b', 'c', 'd']) await call('Emit', [text]);
      await reading;
      expect(texts).toEqual(['a', 'b', 'c']);
    });

    needsOurBus(place, () => {
      test('a rule counts from its first subscriber to its last', async () => {
        const counted = async () => {
          const stats = {
            ...driver('GetAllMatchRules'),
            interface: 'org.freedesktop.DBus.Debug.Stats',
          };
          const [rules] = (await bus.call(stats)).body as [Map<string, string[]>];
          return (rules.get(bus.uniqueName) ?? []).length;
        };
        const before = await counted();
        const source = bus.signals("interface='org.example.Counted'");
        const first = source.subscribe();
        const second = bus.signals({ interface: 'org.example.Counted' }).subscribe();
        expect(await counted()).toBe(before + 1);
        first.unsubscribe();
        expect(await counted()).toBe(before + 1);
        second.unsubscribe();
        expect(await counted()).toBe(before);
      });
    });

    test('one that follows a reply is seen after it', async () => {
      const order: string[] = [];
      const subscription = bus
        .signals({ interface: SERVICE })
        .subscribe(({ body }) => order.push(String(body)));
      await bus.settled();
      const emitted = ['1', '2', '3'].map((text) =>
        call('Emit', [text]).then(() => order.push(`reply ${text}`)),
      );
      await Promise.all(emitted);
      await bus.settled();
      subscription.unsubscribe();
      expect(order.filter((each) => !each.startsWith('reply'))).toEqual(['1', '2', '3']);
      expect(order.filter((each) => each.startsWith('reply'))).toEqual([
        'reply 1',
        'reply 2',
        'reply 3',
      ]);
    });

    test('by the name of a sender come from its owner only', async () => {
      const other = await join({ address: bridge.address, transport });
      const source = { path: PATH, interface: SERVICE, member: 'Said', signature: 's' };
      const texts: unknown[] = [];
      const narrow = bus
        .signals({ sender: SERVICE, member: 'Said' })
        .subscribe(({ body }) => texts.push(body[0]));
      const wide = bus.signals({ member: 'Said' });
      const both = firstValueFrom(wide.pipe(take(2), toArray()));
      await bus.settled();
      other.emit({ ...source, body: ['by another'] });
      await other.settled();
      await call('Emit', ['by the owner']);
      expect((await both).map(({ body }) => body[0])).toEqual(['by another', 'by the owner']);
      narrow.unsubscribe();
      expect(texts).toEqual(['by the owner']);
      other.close();
    });

    test('a reader that is too slow is told so', async () => {
      const read = bus.signals({ interface: SERVICE, member: 'Said' }, 2);
      const iterator = read[Symbol.asyncIterator]();
      const all = firstValueFrom(bus.signals({ interface: SERVICE }).pipe(take(4), toArray()));
      await bus.settled();
      for (const text of ['1', '2', '3', '4']) await call('Emit', [text]);
      await all;
      expect((await iterator.next()).value!.body).toEqual(['1']);
      expect((await iterator.next()).value!.body).toEqual(['2']);
      await expect(iterator.next()).rejects.toMatchObject({ code: 'SignalsLost' });
      expect(await iterator.next()).toEqual({ value: undefined, done: true });
    });

    test.each([["type='method_call'"], ['nonsense'], [{ interface: 'no interface' }]])(
      '%j is no rule',
      (rule) => {
        expect(() => bus.signals(rule)).toThrow(TypeError);
      },
    );

    test('PropertiesChanged follows a Set, with the value or without it', async () => {
      const rule = {
        sender: SERVICE,
        interface: 'org.freedesktop.DBus.Properties',
        member: 'PropertiesChanged',
      };
      const changed = firstValueFrom(bus.signals(rule).pipe(take(2), toArray()));
      const { properties } = bus.proxy(Service, SERVICE, PATH);
      await properties['Level'].set(7);
      await properties['Cache'].set('warm');
      expect((await changed).map(({ body }) => body)).toEqual([
        [SERVICE, new Map([['Level', new Variant('u', 7)]]), []],
        [SERVICE, new Map(), ['Cache']],
      ]);
    });
  });

  describe('legacy software', () => {
    test('calls a native service: replies, errors, introspection', () => {
      const client = RawClient.open(bridge.address);
      const toService = { destination: SERVICE, path: PATH, interface: SERVICE };
      expect(client.call({ ...toService, member: 'Echo', signature: 's' }, ['ünïcödé'])).toEqual([
        'ünïcödé',
      ]);
      expect(client.call({ ...toService, member: 'Sender' })).toEqual([client.uniqueName]);
      expect(() =>
        client.call({ ...toService, member: 'Fail', signature: 'ss' }, ['org.example.E', 'no']),
      ).toThrow('no');
      expect(
        client.call({ destination: SERVICE, path: '/org', member: 'Introspect' })[0],
      ).toContain('"example"');
      client.close();
    });

    test('gets signals of a native service', async () => {
      const client = RawClient.open(bridge.address);
      client.callBus('AddMatch', 's', [`interface='${SERVICE}'`]);
      await call('Emit', ['to all']);
      expect(client.receiveSignal('Said')).toMatchObject({
        sender: service.uniqueName,
        path: PATH,
        body: ['to all'],
      });
      client.close();
    });

    test('is called by a native peer, and can tell who calls', async () => {
      const legacy = RawClient.open(bridge.address);
      legacy.callBus('RequestName', 'su', ['org.example.Legacy', 0]);
      const capability = await bus.resolve('org.example.Legacy');
      const asked = capability.call({ path: '/x', member: 'Question', signature: 'u', body: [6] });
      const question = legacy.receive(({ member }) => member === 'Question');
      expect(question).toMatchObject({
        sender: bus.uniqueName,
        body: [6],
        destination: 'org.example.Legacy',
      });
      legacy.reply(question, 's', ['answer']);
      expect(await asked).toMatchObject({ body: ['answer'], sender: legacy.uniqueName });
      legacy.close();
    });

    test('that leaves without an answer ends the call', async () => {
      const legacy = RawClient.open(bridge.address);
      const capability = await bus.resolve(legacy.uniqueName);
      const asked = capability.call({ path: '/x', member: 'Question' });
      legacy.receive(({ member }) => member === 'Question');
      legacy.close();
      await expect(asked).rejects.toMatchObject({ name: 'org.freedesktop.DBus.Error.NoReply' });
    });

    test('cannot take a capability', async () => {
      const legacy = RawClient.open(bridge.address);
      const own = bus.export(implement(greeter, { methods: { Greet: () => 'x' } }));
      const asked = bus.call({
        destination: legacy.uniqueName,
        member: 'Take',
        signature: 'o',
        body: [own],
      });
      await expect(asked).rejects.toMatchObject({
        name: 'org.freedesktop.DBus.Error.NotSupported',
      });
      own.release();
      legacy.close();
    });

    test('signals a native peer alone', async () => {
      const legacy = RawClient.open(bridge.address);
      const signal = firstValueFrom(bus.signals({ interface: 'org.example.Direct' }));
      await bus.settled();
      const { uniqueName: destination } = bus;
      legacy.post(MessageType.Signal, {
        destination,
        path: '/',
        interface: 'org.example.Direct',
        member: 'You',
      });
      expect(await signal).toMatchObject({ sender: legacy.uniqueName, destination });
      legacy.close();
    });
  });

  needsDomain(place, () => {
    test('who claims to be somebody else is nobody', async () => {
      const forger = await ServiceProcess.start(
        'forger.mjs',
        bridge.address,
        SERVICE,
        bus.uniqueName,
      );
      expect(forger.greeting['sender']).toBe('');
      await forger.end();
    });
  });

  describe('a process stays alive', () => {
    test.each([
      ['joined', false],
      ['called', false],
      ['waiting', true],
      ['serving', true],
      ['owning', true],
      ['exporting', true],
      ['subscribed', true],
      ['unsubscribed', false],
    ])('%s: %s', async (state, isAlive) => {
      const process = await ServiceProcess.start(
        'lively.mjs',
        bridge.address,
        transport,
        state,
        SERVICE,
      );
      process.child.disconnect();
      const ended = once(process.child, 'exit');
      // Whoever would end by itself has its turn before a process that is started now has come so far.
      const later = ServiceProcess.start(
        'lively.mjs',
        bridge.address,
        transport,
        'joined',
        SERVICE,
      );
      await (isAlive ? later : ended);
      expect(process.child.exitCode).toBe(isAlive ? null : 0);
      await (await later).end();
      await process.end();
    });
  });

  needsSocket(place, () => {
    test('when the bus is gone this ends, and whatever waits is told', async () => {
      const mortal = await place.open();
      const there = await ServiceProcess.start('service.mjs', transport, mortal.address, SERVICE);
      const here = await join({ address: mortal.address, transport });
      const toService = { destination: SERVICE, path: PATH, interface: SERVICE };
      await here.call({ ...toService, member: 'Notes' });
      const waiting = here.call({ ...toService, member: 'Hang' });
      const signals = lastValueFrom(here.signals({ member: 'Said' }).pipe(toArray()));
      await here.settled();
      const over = waiting.catch((error: unknown) => error);
      await mortal.stop();
      expect(await here.closed).toMatch(/hung up/);
      expect(await over).toMatchObject({ code: 'BusClosed' });
      expect(await signals).toEqual([]);
      await expect(here.requestName('org.example.Late')).rejects.toMatchObject({
        code: 'BusClosed',
      });
      await there.end();
    });

    test('says so', () => {
      expect(bus.transport).toBe('socket');
    });
  });
});

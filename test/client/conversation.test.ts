// What two native processes can do with each other, in a domain without D-Bus and on a bus.
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Capability,
  DBusError,
  implement,
  Variant,
  type CallOptions,
  type ServedInterface,
} from '#bridge/client/index.js';
import { needsDomain, openBus, openDomain, PLACES, type Home } from './home.js';
import { Listener, PATH, SERVICE, Service } from './service-description.mjs';

const HOMES = [
  { title: 'in a domain without D-Bus', transport: 'domain' as const, open: openDomain },
  ...PLACES.map((place) => ({ ...place, open: () => openBus({}, place) })),
];

describe.each(HOMES.map((home) => [home.title, home] as const))(
  '%s',
  (_title, { transport, open }) => {
    let home: Home;
    beforeAll(async () => {
      home = await open();
    });
    afterAll(() => home.stop());

    const content = (member: string, body: readonly unknown[]) => ({
      path: PATH,
      interface: SERVICE,
      member,
      signature: Service.methods[member].in,
      body,
    });
    const call = async (
      member: string,
      body: readonly unknown[] = [],
      options: CallOptions = {},
    ) => {
      const reply = await home.capability.call({ ...content(member, body), ...options });
      return reply.body[0];
    };
    const callSync = (member: string, body: readonly unknown[] = [], timeoutMs?: number) =>
      home.capability.callSync({ ...content(member, body), timeoutMs }).body[0];
    const listener = (echo: (text: string) => unknown): ServedInterface =>
      implement(Listener, { methods: { Echo: echo } });
    /** Over a socket nobody tells a service that its caller waits no longer. */
    const serviceLearns = async (reason: RegExp): Promise<void> => {
      if (transport === 'domain') expect(await call('WhenAborted')).toMatch(reason);
    };
    const thrown = async (promise: Promise<unknown>): Promise<unknown> => {
      try {
        return await promise;
      } catch (error) {
        return error;
      }
    };

    describe('calls', () => {
      test.each([
        ['Echo', ['text'], 'text'],
        ['Echo', [''], ''],
        ['Echo', ['ünïcödé \u{1f680}'], 'ünïcödé \u{1f680}'],
        ['Echo', ['x'.repeat(100_000)], 'x'.repeat(100_000)],
        ['Bytes', [new Uint8Array(0)], new Uint8Array(0)],
        [
          'Variant',
          [new Variant('a{sv}', new Map([['a', new Variant('t', 2n ** 64n - 1n)]]))],
          undefined,
        ],
      ])('%s %#', async (member, body, expected) => {
        const wanted = expected ?? body[0];
        expect(await call(member, body)).toEqual(wanted);
        expect(callSync(member, body)).toEqual(wanted);
      });

      test('an asynchronous handler', async () => {
        expect(await call('Later', ['text'])).toBe('text');
      });

      test('a payload of 1 MiB', async () => {
        const bytes = new Uint8Array(1 << 20).map((_, i) => i * 7);
        const back = (await call('Bytes', [bytes])) as Uint8Array;
        expect(Buffer.compare(back, bytes)).toBe(0);
        expect(Buffer.compare(callSync('Bytes', [bytes]) as Uint8Array, bytes)).toBe(0);
      });

      test('several values are returned as an array', async () => {
        const reply = await home.capability.call(content('Pair', ['text', 4]));
        expect(reply.body).toEqual([4, 'text']);
        expect(reply.signature).toBe('us');
      });

      test.each([
        ['Fail', ['org.example.Error.Mine', 'why'], 'org.example.Error.Mine', 'why'],
        ['Crash', [], 'org.freedesktop.DBus.Error.Failed', 'a mistake in the service'],
        ['Wrong', [], 'org.freedesktop.DBus.Error.Failed', /not valid: argument 0/],
      ])('an error: %s', async (member, body, name, message) => {
        const error = await thrown(call(member, body));
        expect(error).toBeInstanceOf(DBusError);
        expect(error).toMatchObject({
          name,
          code: 'DBusError',
          message: expect.stringMatching(message),
        });
        expect(() => callSync(member, body)).toThrow(DBusError);
      });

      test.each([
        ['no such interface', { interface: 'org.example.Other' }, 'UnknownInterface'],
        ['no such method', { member: 'Other' }, 'UnknownMethod'],
        ['other types', { signature: 'u', body: [1] }, 'InvalidArgs'],
      ])('%s', async (_what, change, error) => {
        const wrong = home.capability.call({ ...content('Echo', ['text']), ...change });
        expect(await thrown(wrong)).toMatchObject({ name: `org.freedesktop.DBus.Error.${error}` });
      });

      test.each([
        ['a value of another type', { body: [1] }, /argument 0/],
        ['too many values', { body: ['a', 'b'] }, /2 arguments for 1 types/],
        ['a path that is none', { path: 'nowhere' }, /path/i],
      ])('%s is refused here', async (_what, change, message) => {
        const wrong = home.capability.call({ ...content('Echo', ['text']), ...change });
        await expect(wrong).rejects.toThrow(message);
      });

      test('64 at once are all answered, in order', async () => {
        const texts = Array.from({ length: 64 }, (_, i) => `text ${i}`);
        expect(await Promise.all(texts.map((text) => call('Echo', [text])))).toEqual(texts);
        await Promise.all(texts.map((text) => call('Note', [text])));
        expect(await call('Notes')).toEqual(texts);
      });

      test('a call without a reply is over when it is sent', async () => {
        const reply = await home.capability.call({
          ...content('Note', ['quietly']),
          noReply: true,
        });
        expect(reply.body).toEqual([]);
        expect(await call('Notes')).toEqual(['quietly']);
      });

      needsDomain({ transport }, () => {
        test('the service is told from which process a call comes', async () => {
          const reply = await home.capability.call(content('Process', []));
          expect(reply.body).toEqual([process.pid, process.getuid!()]);
        });
      });
    });

    describe('ending a call', () => {
      test('by a signal: the service learns that nobody waits', async () => {
        const controller = new AbortController();
        const hanging = call('Hang', [], { signal: controller.signal });
        const reason = new Error('enough');
        controller.abort(reason);
        expect(await thrown(hanging)).toBe(reason);
        await serviceLearns(/gone, or no longer waits/);
      });

      test('by a signal that was aborted before: nothing is sent', async () => {
        await expect(call('Note', ['never'], { signal: AbortSignal.abort() })).rejects.toThrow(
          /aborted/,
        );
        expect(await call('Notes')).toEqual([]);
      });

      test('by a deadline', async () => {
        const error = {
          name: 'TimeoutError',
          code: 'Timeout',
          message: expect.stringContaining('Hang'),
        };
        expect(await thrown(call('Hang', [], { timeoutMs: 5 }))).toMatchObject(error);
        await serviceLearns(/gone/);
        expect(() => callSync('Hang', [], 5)).toThrow(expect.objectContaining(error));
        await serviceLearns(/gone/);
      });

      test('a reply that comes after the end is dropped', async () => {
        const controller = new AbortController();
        const late = call('Later', ['text'], { signal: controller.signal });
        controller.abort();
        await expect(late).rejects.toThrow(/aborted/);
        expect(await call('Echo', ['next'])).toBe('next');
      });
    });

    needsDomain({ transport }, () => {
      describe('capabilities', () => {
        test('an object of this process is called by another one', async () => {
          const own = home.client.export(listener((text) => `own ${text}`));
          await call('Keep', [own]);
          expect(await call('CallKept', ['text'])).toBe('own text');
          home.client.unexport(own);
          expect(await call('WhenKeptIsLost')).toBeGreaterThan(0);
        });

        test('one that comes back is the same', async () => {
          const own = home.client.export(listener((text) => text));
          await call('Keep', [own]);
          const back = await call('ReturnKept');
          expect(back).toBeInstanceOf(Capability);
          expect((back as Capability).equals(own)).toBe(true);
          expect((back as Capability).equals(home.capability)).toBe(false);
        });

        test('an object of the other process, with any path', async () => {
          const made = (await call('Make', ['first'])) as Capability;
          const echo = { interface: Listener.name, member: 'Echo', signature: 's', body: ['text'] };
          expect((await made.call({ ...echo, path: '/any/where' })).body).toEqual(['first: text']);
          expect(await made.as(Listener).methods['Echo']('again')).toBe('first: again');
        });

        test('a lost one is told once, and calls through it fail', async () => {
          const made = (await call('Make', ['mortal'])) as Capability;
          let losses = 0;
          const lost = new Promise<void>((resolve) => {
            made.onRelease(() => {
              losses++;
              resolve();
            });
          });
          await call('End');
          await lost;
          await call('Echo', ['later']);
          expect(losses).toBe(1);
          expect(made.live).toBe(false);
          const error = await thrown(made.call({ member: 'Echo' }));
          expect(error).toMatchObject({ code: 'CapabilityLost' });
          await new Promise<void>((resolve) => made.onRelease(resolve)); // also who comes late
          expect(losses).toBe(1);
          made.release();
          made.onRelease(() => losses++);
          await call('Echo', ['after that']);
          expect(losses).toBe(1);
        });

        test('inside containers and variants', async () => {
          const a = home.client.export(listener((text) => `a ${text}`));
          const b = home.client.export(listener((text) => `b ${text}`));
          const entries = new Map([
            ['x', [a, new Variant('o', b)]],
            ['y', ['/plain', new Variant('o', '/path')]],
          ]);
          const returned = (await call('Nested', [entries])) as (Capability | string)[];
          expect(returned.slice(2)).toEqual(['/plain', '/path']);
          expect(
            returned.slice(0, 2).map((each, i) => (each as Capability).equals([a, b][i])),
          ).toEqual([true, true]);
        });

        test('one that is dropped is given back, and with the last one the object ends', async () => {
          let onEnd = (): void => {};
          const ended = new Promise<void>((resolve) => (onEnd = resolve));
          const own = home.client.export(
            listener((text) => text),
            { onEnd },
          );
          await call('Keep', [own]);
          own.release();
          await call('DropKept');
          await call('CollectGarbage');
          expect(await ended).toBeUndefined();
        });

        test('a signal for one object alone', async () => {
          const got: unknown[] = [];
          const own = home.client.export(
            listener(() => String(got)),
            { onSignal: ({ body }) => got.push(...body) },
          );
          await call('Keep', [own]);
          await call('SignalKept', ['psst']);
          expect(await call('CallKept', ['after'])).toBe('psst');
        });
      });
    });

    describe('file descriptors', () => {
      const directory = mkdtempSync(joinPath(tmpdir(), 'descriptors-'));
      const file = joinPath(directory, 'file');
      afterAll(() => rmSync(directory, { recursive: true }));

      const ours = () => readdirSync('/proc/self/fd').length;

      test('go both ways, and none is left behind', async () => {
        writeFileSync(file, 'what it says');
        const before = [ours(), await call('OpenDescriptors')];
        const fd = openSync(file, 'r');
        expect(await call('Read', [fd])).toBe('what it says');
        closeSync(fd);
        const given = (await call('Open', [file])) as number;
        expect(readFileSync(given, 'utf8')).toBe('what it says');
        closeSync(given);
        expect([ours(), await call('OpenDescriptors')]).toEqual(before);
      });

      test('those of a call that nobody takes are closed', async () => {
        const before = await call('OpenDescriptors');
        const fd = openSync('/dev/null', 'r');
        const wrong = home.capability.call({ ...content('Read', [fd]), member: 'Nothing' });
        await expect(wrong).rejects.toThrow(/no method/);
        closeSync(fd);
        expect(await call('OpenDescriptors')).toBe(before);
      });

      test.each([[-1], ['0'], [1.5]])('%j is none', async (value) => {
        await expect(call('Read', [value])).rejects.toThrow(/open file descriptor/);
      });
    });

    describe('synchronous calls', () => {
      needsDomain({ transport }, () => {
        test('what arrives meanwhile is dealt with afterwards, in order', async () => {
          const notes: string[] = [];
          const own = home.client.export(listener((text) => notes.push(text).toString()));
          await call('Keep', [own]);
          const first = call('CallKept', ['first']);
          const second = call('CallKept', ['second']);
          for (let i = 0; i < 100; i++) callSync('Echo', ['x']);
          expect(notes).toEqual([]);
          expect(await Promise.all([first, second])).toEqual(['1', '2']);
          expect(notes).toEqual(['first', 'second']);
        });

        test('from within a handler that is called by the process it calls', async () => {
          const own = home.client.export(
            listener((text) => callSync('Echo', [`${text}, then sync`])),
          );
          await call('Keep', [own]);
          expect(await call('CallKept', ['async'])).toBe('async, then sync');
        });
      });

      test('to an object of this process', () => {
        const own = home.client.export(listener((text) => `own ${text}`));
        const echo = { interface: Listener.name, member: 'Echo', signature: 's', body: ['x'] };
        expect(own.callSync(echo).body).toEqual(['own x']);
        const slow = home.client.export(listener(async (text) => text));
        expect(() => slow.callSync(echo)).toThrow(
          expect.objectContaining({ code: 'WouldDeadlock' }),
        );
      });

      test('asynchronous replies that arrive meanwhile are not lost', async () => {
        const replies = Array.from({ length: 10 }, (_, i) => call('Later', [`${i}`]));
        callSync('Echo', ['x']);
        expect(await Promise.all(replies)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
      });
    });

    test('proxies: methods, properties by name', async () => {
      const proxy = home.capability.as(Service, PATH);
      expect(await proxy.methods['Pair']('text', 1)).toEqual([1, 'text']);
      await expect(proxy.methods['Hang']({ timeoutMs: 5 })).rejects.toThrow(/within 5 ms/);
      await serviceLearns(/gone/);
      expect(await proxy.properties['Level'].get()).toBe(1);
      await proxy.properties['Level'].set(2);
      expect(await proxy.properties['Level'].get()).toBe(2);
      await proxy.properties['Level'].set(1);
    });

    describe('org.freedesktop.DBus.Properties', () => {
      const properties = async (member: string, signature: string, body: readonly unknown[]) => {
        const iface = 'org.freedesktop.DBus.Properties';
        const reply = await home.capability.call({
          path: PATH,
          interface: iface,
          member,
          signature,
          body,
        });
        return reply.body[0];
      };

      test('GetAll has what can be read', async () => {
        expect(await properties('GetAll', 's', [SERVICE])).toEqual(
          new Map<string, Variant>([
            ['Level', new Variant('u', 1)],
            ['Title', new Variant('s', 'a service')],
            ['Cache', new Variant('s', 'cold')],
          ]),
        );
      });

      test.each([
        ['Get', 'ss', [SERVICE, 'Nothing'], 'UnknownProperty'],
        ['Get', 'ss', ['org.example.Other', 'Level'], 'UnknownInterface'],
        ['Get', 'ss', [SERVICE, 'Secret'], 'AccessDenied'],
        ['GetAll', 's', ['org.example.Other'], 'UnknownInterface'],
        ['Set', 'ssv', [SERVICE, 'Title', new Variant('s', 'x')], 'PropertyReadOnly'],
        ['Set', 'ssv', [SERVICE, 'Level', new Variant('s', 'x')], 'InvalidArgs'],
      ])('%s %s %j: %s', async (member, signature, body, error) => {
        const refused = await thrown(properties(member, signature, body));
        expect(refused).toMatchObject({ name: `org.freedesktop.DBus.Error.${error}` });
      });
    });

    test('every object can be introspected and pinged', async () => {
      const introspect = {
        path: PATH,
        interface: 'org.freedesktop.DBus.Introspectable',
        member: 'Introspect',
      };
      const xml = String((await home.capability.call(introspect)).body[0]);
      for (const name of [
        SERVICE,
        'org.freedesktop.DBus.Properties',
        'org.freedesktop.DBus.Peer',
      ]) {
        expect(xml).toContain(`<interface name="${name}">`);
      }
      expect(xml).toContain('<method name="Pair">\n   <arg type="s" direction="in"/>');
      const ping = { path: PATH, interface: 'org.freedesktop.DBus.Peer', member: 'Ping' };
      expect((await home.capability.call(ping)).body).toEqual([]);
    });

    test('a service that has no loop answers as well', async () => {
      home.service.send('block');
      expect(await call('Echo', ['text'])).toBe('text');
      expect(callSync('Echo', ['text'])).toBe('text');
      const made = transport === 'domain' ? [await call('Make', ['blocking'])] : [];
      expect(made.every((each) => each instanceof Capability)).toBe(true);
      /* what is given back is reported before nothing more may be sent */
      const bytes = new Uint8Array(10 << 20).fill(7);
      for (let i = 0; i < 20; i++) {
        expect(callSync('Bytes', [bytes])).toHaveLength(bytes.length);
        expect(await call('Bytes', [bytes])).toHaveLength(bytes.length);
      }
    });

    test('the death of the other process ends calls and capabilities at once', async () => {
      const hanging = thrown(call('Hang'));
      const lost = new Promise<void>((resolve) => home.capability.onRelease(resolve));
      await call('Echo', ['it has arrived']);
      await home.service.end('SIGKILL');
      expect(await hanging).toMatchObject({ name: 'org.freedesktop.DBus.Error.NoReply' });
      await lost;
      expect(await thrown(call('Echo', ['x']))).toMatchObject({ code: 'CapabilityLost' });
    });
  },
);

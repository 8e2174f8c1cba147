// What changes for connections in a role: their limits, and what a reload brings.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startBus, type RunningBus } from '../support/bus.js';
import { Disconnected } from '../support/raw-client.js';
import {
  BUS,
  comingInAt,
  connectTo,
  mayOwn,
  names,
  policyFiles,
  writeRoles,
  type PolicyFiles,
  type Roles,
} from './role-policy.js';

const CALL = { path: '/a', interface: 'org.example.I', member: 'M' };

describe.each([1, 2])('with %i host(s)', (hosts) => {
  const env = { BUS1_HOSTS: String(hosts) };

  describe('quotas', () => {
    const place = policyFiles(({ other }) => ({
      small: {
        for: { user: '*', ...comingInAt(other) },
        own: 'org.example.*',
        quotas: { names: 3, matches: 2, replies: 4, connections: 2, bytes: 100_000 },
      },
      rest: { for: { user: '*' }, own: 'org.rest.*', talk: 'org.example.*' },
    }));
    let bus: RunningBus;

    beforeAll(async () => {
      bus = await startBus({ config: place.config, env });
    });
    afterAll(() => bus.stop());

    test('names: the unique one is one of them', () => {
      const client = connectTo(place.other);
      const request = (n: number): unknown[] =>
        client.callBus('RequestName', 'su', [`org.example.N${n}`, 0]);
      expect([request(1), request(2)]).toEqual([[1], [1]]);
      expect(() => request(3)).toThrow('max_names_per_connection=3');
      client.close();
      const outside = connectTo(place.main);
      for (let n = 0; n < 5; n++) outside.callBus('RequestName', 'su', [`org.rest.N${n}`, 0]);
      outside.close();
    });

    test('match rules', () => {
      const client = connectTo(place.other);
      const add = (member: string): unknown[] =>
        client.callBus('AddMatch', 's', [`member='${member}'`]);
      add('A');
      add('B');
      expect(() => add('C')).toThrow('max_match_rules_per_connection=2');
      client.close();
    });

    test('calls that wait for an answer', () => {
      const client = connectTo(place.other);
      const own = connectTo(place.other);
      own.callBus('RequestName', 'su', ['org.example.Silent', 0]);
      const serials = [1, 2, 3, 4, 5].map(() =>
        client.startCall({ ...CALL, destination: 'org.example.Silent' }),
      );
      const { errorName, body } = client.replyTo(serials[4]);
      expect(errorName).toBe(`${BUS}.Error.LimitsExceeded`);
      expect(body[0]).toContain('max_replies_per_connection=4');
      client.close();
      own.close();
    });

    test('connections of one user in the role; others of that user do not count', () => {
      const outside = [1, 2, 3].map(() => connectTo(place.main));
      const inside = [1, 2].map(() => connectTo(place.other));
      expect(() => connectTo(place.other)).toThrow('max_connections_per_user=2');
      inside[0].close();
      outside[0].callBus('GetId');
      for (const client of [inside[1], ...outside]) client.close();
    });

    test('bytes that wait for one that does not read', () => {
      const slow = connectTo(place.other);
      slow.callBus('RequestName', 'su', ['org.example.Slow', 0]);
      const sender = connectTo(place.main);
      const text = 'x'.repeat(50_000);
      const fields = { ...CALL, destination: 'org.example.Slow', signature: 's' };
      let refused: string | undefined;
      for (let n = 0; n < 100 && refused === undefined; n++) {
        sender.startCall(fields, [text]);
        sender.callBus('GetId');
        refused = sender.receiveWaiting().find(({ errorName }) => errorName)?.body[0] as string;
      }
      expect(refused).toContain('max_outgoing_bytes=100000');
      slow.close();
      sender.close();
    });
  });

  describe('a reload', () => {
    interface Scene extends PolicyFiles {
      set(next: Roles): void;
    }

    /** A bus, and what changes its roles. */
    async function scene(roles: (place: PolicyFiles) => Roles): Promise<Scene> {
      const place = policyFiles(roles);
      const bus = await startBus({ config: place.config, env });
      const control = connectTo(place.main);
      onTestFinished(async () => {
        control.close();
        await bus.stop();
      });
      const set = (next: Roles): void => {
        writeRoles(place, next);
        control.callBus('ReloadConfig');
      };
      return { ...place, set };
    }

    test('gives and takes what a role grants, for connections that are open', async () => {
      const place = await scene(() => ({}));
      const client = connectTo(place.main);
      expect(mayOwn(client, 'org.example.A')).toBe(false);
      place.set({ one: { for: { user: process.getuid!() }, own: 'org.example.A' } });
      expect(mayOwn(client, 'org.example.A')).toBe(true);
      place.set({ one: { for: { user: process.getuid!() }, own: 'org.example.B' } });
      expect(mayOwn(client, 'org.example.A')).toBe(false);
      client.close();
    });

    test('changes what one sees, from the next message on', async () => {
      const place = await scene(({ other }) => ({
        all: { for: { user: '*' }, own: 'org.example.*' },
        client: { for: comingInAt(other), see: [] },
      }));
      const service = connectTo(place.main);
      service.callBus('RequestName', 'su', ['org.example.A', 0]);
      const client = connectTo(place.other);
      expect(names(client)).toEqual(['org.example.A']);
      place.set({
        service: { for: comingInAt(place.main), own: 'org.example.*' },
        client: { for: comingInAt(place.other), see: 'org.example.B' },
      });
      expect(names(client)).toEqual([]);
      service.callBus('RequestName', 'su', ['org.example.B', 0]);
      expect(names(client)).toEqual(['org.example.B']);
      client.callBus('AddMatch', 's', [`member='NameOwnerChanged'`]);
      service.callBus('ReleaseName', 's', ['org.example.B']);
      client.callBus('GetId');
      expect(client.receiveSignal('NameOwnerChanged').body[0]).toBe('org.example.B');
      service.close();
      client.close();
    });

    test.each([
      ['confines one that was not', {}, { see: [] }],
      ['confines one no more', { see: [] }, {}],
    ])('that %s ends its connection', async (_what, before, after) => {
      const place = await scene(({ other }) => ({ client: { for: comingInAt(other), ...before } }));
      const client = connectTo(place.other);
      place.set({ client: { for: comingInAt(place.other), ...after } });
      expect(() => {
        for (;;) client.receive();
      }).toThrow(Disconnected);
      client.close();
      connectTo(place.other).close();
    });
  });
});

// A unique name means one program, on the bridge and on the bus that it is attached to.
import { afterAll, afterEach, beforeAll, expect, test, describe } from 'vitest';
import { connect, watchNames } from '../support/names.js';
import { ErrorReply, type RawClient } from '../support/raw-client.js';
import { describeWith } from '../support/software.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE } from './old-bus.js';
import {
  addMatch,
  callAndAnswer,
  emit,
  INTERFACE,
  isCall,
  isGone,
  isSignal,
  OLD_NAME,
  RawPair,
  watch,
} from './raw-pair.js';

/** Asks `service` for a word, which is `word`. */
function beTold(client: RawClient, service: RawClient, word: string): unknown {
  const call = { destination: OLD_NAME, interface: INTERFACE, member: 'WhoHasIt' };
  const serial = client.startCall(call);
  service.reply(service.receive(isCall('WhoHasIt')), 's', [word]);
  return client.replyTo(serial).body[0];
}

function namesOn(client: RawClient): unknown {
  return client.callBus('ListNames')[0];
}

describe.each(OLD_BUSES)('beside %s', (kind) => {
  describeWith(OLD_BUS_SOFTWARE[kind], 'a unique name', () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start(kind);
    });
    afterEach(() => pair.closeClients());
    afterAll(() => pair.stop());

    test('of a client of the bridge is its name there, too', () => {
      const [client, other] = [pair.here(), pair.there()];
      expect(namesOn(other)).toContain(client.uniqueName);
      expect(namesOn(client)).not.toContain(other.uniqueName);
      expect(callAndAnswer(other, client.uniqueName, client).sender).toBe(other.uniqueName);
      expect(namesOn(client)).toContain(other.uniqueName);
    });

    test('of a connection there, which a service tells, leads to it', () => {
      const client = pair.here();
      const [service, third] = [pair.oldService(client), pair.there()];
      expect(beTold(client, service, third.uniqueName)).toBe(third.uniqueName);
      expect(callAndAnswer(client, third.uniqueName, third).sender).toBe(client.uniqueName);
    });

    test.each([
      ['GetNameOwner', (third: RawClient) => third.uniqueName],
      ['NameHasOwner', () => true],
      ['GetConnectionUnixProcessID', () => process.pid],
      ['ListQueuedOwners', (third: RawClient) => [third.uniqueName]],
    ])('of a connection there can be asked about: %s', (method, answer) => {
      const [client, third] = [pair.here(), pair.there()];
      expect(client.callBus(method, 's', [third.uniqueName])).toEqual([answer(third)]);
    });

    test('of nobody is unknown, to the bus and to whoever calls', () => {
      const client = pair.here();
      expect(client.callBus('NameHasOwner', 's', [':1.4999999'])).toEqual([false]);
      const call = { destination: ':1.4999999', interface: INTERFACE, member: 'Ask' };
      expect(errorOf(() => client.call(call)).errorName).toMatch(
        /\.(ServiceUnknown|NameHasNoOwner)$/,
      );
    });

    test('of a connection there can be listened to, until that leaves', () => {
      const [client, third] = [pair.here(), pair.there()];
      addMatch(client, `type='signal',sender='${third.uniqueName}'`);
      watch(client, third.uniqueName);
      expect(client.callBus('NameHasOwner', 's', [third.uniqueName])).toEqual([true]);
      emit(third, 'Heard');
      expect(client.receive(isSignal('Heard')).sender).toBe(third.uniqueName);
      third.close();
      client.receive(isGone(third.uniqueName));
    });

    test('of a client of the bridge that a service is told leads to the client', () => {
      const [client, other] = [pair.here(), pair.here()];
      const service = pair.oldService(client);
      expect(callAndAnswer(service, other.uniqueName, other).destination).toBe(other.uniqueName);
    });
  });

  describeWith(OLD_BUS_SOFTWARE[kind], 'a client that comes while the other bus is away', () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start(kind);
    });
    afterAll(() => pair.stop());

    test('has a name that cannot cross, and whoever tells it is told so', async () => {
      const bus = await connect(pair.bridge.address);
      const names = await watchNames(bus);
      await pair.old.kill();
      await expect.poll(async () => (await pair.bridge.status()).isUp).toBe(false);
      const late = pair.here();
      expect(late.uniqueName).toMatch(/^:2\./);
      await pair.old.start();
      await expect.poll(async () => (await pair.bridge.status()).isUp).toBe(true);
      const service = pair.oldService(pair.here());
      await names.owned(OLD_NAME);
      const call = {
        destination: OLD_NAME,
        interface: INTERFACE,
        member: 'CallMe',
        signature: 's',
      };
      const error = errorOf(() => late.call(call, [late.uniqueName]));
      expect(error.errorName).toBe('org.bus1.Error.NameCannotCross');
      expect(error.message).toContain(`contains the unique name ${late.uniqueName}`);
      expect(callAndAnswer(late, OLD_NAME, service).destination).toBe(OLD_NAME);
      bus.disconnect();
    });
  });
});

function errorOf(action: () => unknown): ErrorReply {
  try {
    action();
  } catch (error) {
    if (error instanceof ErrorReply) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

// A bus of two hosts: what clients of different processes do with each other, as on a bus of one.
import { closeSync, openSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { MessageType, type Variant } from '#bridge/wire/types.js';
import { RawClient } from '../support/raw-client.js';
import { BusWithHosts } from './bus-with-hosts.js';

const BODY_BYTES = 1 << 20;

let bus: BusWithHosts;
let clients: RawClient[] = [];

beforeAll(async () => {
  bus = await BusWithHosts.start(2);
});
afterAll(async () => {
  for (const client of clients) client.close();
  await bus.stop();
});

function hostOf(client: RawClient): bigint {
  const [stats] = client.call(
    {
      destination: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus.Debug.Stats',
      member: 'GetConnectionStats',
      signature: 's',
    },
    [client.uniqueName],
  ) as [Map<string, Variant>];
  return stats.get('org.bus1.Process')!.value as bigint;
}

/** Two clients that different processes carry. */
function pair(): [RawClient, RawClient] {
  const first = RawClient.open(bus.address);
  clients.push(first);
  for (;;) {
    const second = RawClient.open(bus.address);
    clients.push(second);
    if (hostOf(second) !== hostOf(first)) return [first, second];
  }
}

describe('between clients of two hosts', () => {
  let one: RawClient;
  let other: RawClient;
  beforeEach(() => {
    for (const client of clients.splice(0)) client.close();
    [one, other] = pair();
  });

  const call = { path: '/', interface: 'org.bus1.Test', member: 'Do' };

  test('a call and its reply, by unique name', () => {
    const serial = one.startCall({ ...call, destination: other.uniqueName, signature: 's' }, ['a']);
    const received = other.receive(({ member }) => member === 'Do');
    expect(received).toMatchObject({ sender: one.uniqueName, serial, body: ['a'] });
    other.reply(received, 's', ['b']);
    expect(one.receive(({ type }) => type === MessageType.MethodReturn)).toMatchObject({
      sender: other.uniqueName,
      replySerial: serial,
      body: ['b'],
    });
  });

  test('who becomes a monitor hears nothing any more of what it has asked for before', () => {
    const listener = RawClient.open(bus.address);
    clients.push(listener);
    for (let round = 0; round < 30; round++) {
      for (;;) {
        one = RawClient.open(bus.address);
        clients.push(one);
        if (hostOf(one) !== hostOf(other)) break;
      }
      one.callBus('AddMatch', 's', [`eavesdrop='true',interface='${call.interface}'`]);
      const monitoring = { interface: 'org.freedesktop.DBus.Monitoring', signature: 'asu' };
      const bus1 = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };
      one.call({ ...bus1, ...monitoring, member: 'BecomeMonitor' }, [["member='Seen'"], 0]);
      for (const member of ['Do', 'Seen']) {
        other.post(MessageType.Signal, { ...call, member, destination: listener.uniqueName });
      }
      const heard: unknown[] = [];
      while (!heard.includes('Seen')) heard.push(one.receive().member);
      expect(heard).not.toContain('Do');
    }
  });

  test('a name and a subscription count everywhere when the call that asked for them is answered', () => {
    for (let round = 0; round < 50; round++) {
      const name = `org.bus1.Round${round}`;
      one.callBus('RequestName', 'su', [name, 0]);
      expect(other.callBus('GetNameOwner', 's', [name])).toEqual([one.uniqueName]);
      other.callBus('AddMatch', 's', [`type='signal',sender='${name}',member='M${round}'`]);
      one.post(MessageType.Signal, { ...call, member: `M${round}` });
      other.startCall({ ...call, destination: name, member: `C${round}` });
      expect(other.receive(({ member }) => member === `M${round}`).sender).toBe(one.uniqueName);
      expect(one.receive(({ member }) => member === `C${round}`).sender).toBe(other.uniqueName);
    }
  });

  test('a name changes hands: what is sent afterwards reaches the new owner', () => {
    const name = 'org.bus1.Moving';
    one.callBus('RequestName', 'su', [name, 1]);
    const third = RawClient.open(bus.address);
    clients.push(third);
    const isMine = ({ destination }: { destination?: string | undefined }): boolean =>
      destination === name;
    for (let round = 0; round < 20; round++) {
      const [owner, next] = round % 2 === 0 ? [one, other] : [other, one];
      third.startCall({ ...call, destination: name, member: `Old${round}` });
      expect(owner.receive(isMine).member).toBe(`Old${round}`);
      expect(next.callBus('RequestName', 'su', [name, 3])).toEqual([1]);
      third.startCall({ ...call, destination: name, member: `New${round}` });
      expect(next.receive(isMine).member).toBe(`New${round}`);
    }
  });

  test('the callee dies: the call ends at once', () => {
    const serial = one.startCall({ ...call, destination: other.uniqueName });
    other.receive(({ member }) => member === 'Do');
    other.close();
    clients = clients.filter((client) => client !== other);
    expect(one.receive(({ replySerial }) => replySerial === serial)).toMatchObject({
      type: MessageType.Error,
      errorName: 'org.freedesktop.DBus.Error.NoReply',
    });
  });

  test(`${BODY_BYTES} bytes arrive whole, and small ones stay behind them`, () => {
    const body = new Uint8Array(BODY_BYTES).map((_, i) => i * 31);
    for (let round = 0; round < 3; round++) {
      one.startCall({ ...call, destination: other.uniqueName, signature: 'ay' }, [body]);
      one.startCall({ ...call, destination: other.uniqueName, member: 'After' });
      const large = other.receive(({ member }) => member === 'Do');
      expect(Buffer.compare(large.body[0] as Uint8Array, body)).toBe(0);
      other.receive(({ member }) => member === 'After');
    }
  });

  test('a descriptor arrives open, and is closed on the way', () => {
    const fd = openSync(import.meta.filename, 'r');
    one.startCall({ ...call, destination: other.uniqueName, signature: 'h' }, [0], [fd]);
    closeSync(fd);
    other.receive(({ member }) => member === 'Do');
    expect(other.takeDescriptors(1)).toEqual([import.meta.filename]);
  });

  test('who speaks before Hello is not heard, whatever follows', () => {
    const early = new RawClient(bus.address).authenticate(true);
    clients.push(early);
    early.startCall({ ...call, destination: one.uniqueName });
    early.readUntilEnd();
    expect(one.callBus('NameHasOwner', 's', [other.uniqueName])).toEqual([true]);
  });
});

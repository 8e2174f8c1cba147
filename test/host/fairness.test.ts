// A client that sends without a pause has its share of each turn of the bus, and no more: what others send meanwhile
// is dealt with in between. The bus is stopped while flood and call are written, so that it finds both; a monitor shows
// in which order it takes them.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { encodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { startBus, type RunningBus } from '../support/bus.js';
import { RawClient } from '../support/raw-client.js';

const COUNT = 400;
const SUBSCRIBERS = 64;
const FLOOD = 'org.example.Flood';

const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};

type Flood = (serial: number) => Uint8Array;

const call = { type: MessageType.MethodCall, path: '/', interface: FLOOD };

/** Each takes the bus more work than a message that is passed on. */
const FLOODS: Readonly<Record<string, Flood>> = {
  'calls of the bus': (serial) => encodeMessage({ ...call, ...BUS, member: 'GetId', serial }, []),
  'calls of names without an owner': (serial) =>
    encodeMessage({ ...call, destination: `${FLOOD}.N${serial}`, member: 'Call', serial }, []),
  'match rules': (serial) =>
    encodeMessage({ ...call, ...BUS, member: 'AddMatch', signature: 's', serial }, [
      `arg0='${serial}'`,
    ]),
  'signals with many subscribers': (serial) =>
    encodeMessage({ ...call, type: MessageType.Signal, member: 'Flood', serial }, []),
};

describe('beside a client that floods the bus', () => {
  let bus: RunningBus;
  const clients: RawClient[] = [];

  beforeAll(async () => {
    bus = await startBus();
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(() => bus.stop());

  function open(): RawClient {
    const client = RawClient.open(bus.address);
    clients.push(client);
    return client;
  }

  function subscribe(count: number): RawClient[] {
    return Array.from({ length: count }, () => {
      const subscriber = open();
      subscriber.callBus('AddMatch', 's', [`type='signal',interface='${FLOOD}'`]);
      return subscriber;
    });
  }

  const isReply = ({ replySerial }: DecodedMessage): boolean => replySerial !== undefined;

  /** Messages that `client` will find waiting when the bus goes on. */
  function write(client: RawClient, flood: Flood): void {
    const messages = Array.from({ length: COUNT }, () => flood(client.nextSerial()));
    client.send(Buffer.concat(messages));
  }

  test.each(Object.keys(FLOODS))('one call does not wait for %s', (kind) => {
    if (kind.startsWith('signals')) subscribe(SUBSCRIBERS);
    const flooder = open();
    const bystander = open();
    const monitor = open();
    monitor.call(
      {
        ...BUS,
        interface: 'org.freedesktop.DBus.Monitoring',
        member: 'BecomeMonitor',
        signature: 'asu',
      },
      [[], 0],
    );
    process.kill(bus.pid, 'SIGSTOP');
    write(flooder, FLOODS[kind]);
    const serial = bystander.startCall({ ...BUS, member: 'GetId' });
    process.kill(bus.pid, 'SIGCONT');
    expect(bystander.replyTo(serial).type).toBe(MessageType.MethodReturn);
    const order: (string | undefined)[] = [];
    const isCall = ({ sender, type }: DecodedMessage): boolean => {
      if (type !== MessageType.MethodReturn && type !== MessageType.Error) order.push(sender);
      return sender === bystander.uniqueName;
    };
    monitor.receive(isCall);
    expect(order.filter((sender) => sender === flooder.uniqueName).length).toBeLessThan(COUNT / 4);
  });

  test('all of a flood is dealt with, in order, also when its sender has left', () => {
    const [subscriber] = subscribe(1);
    const flooder = open();
    process.kill(bus.pid, 'SIGSTOP');
    write(flooder, FLOODS['calls of the bus']);
    write(flooder, FLOODS['signals with many subscribers']);
    flooder.close();
    process.kill(bus.pid, 'SIGCONT');
    const serials = Array.from({ length: COUNT }, () => subscriber.receiveSignal('Flood').serial);
    expect(serials).toEqual(serials.toSorted((one, other) => one - other));
    expect(new Set(serials).size).toBe(COUNT);
  });

  test('what was put off is not forgotten when nothing else happens', () => {
    const flooder = open();
    process.kill(bus.pid, 'SIGSTOP');
    write(flooder, FLOODS['calls of the bus']);
    process.kill(bus.pid, 'SIGCONT');
    const replies = Array.from({ length: COUNT }, () => flooder.receive(isReply).replySerial!);
    expect(replies).toEqual(replies.toSorted((one, other) => one - other));
    expect(new Set(replies).size).toBe(COUNT);
  });
});

// What has no destination and is for the other end of the socket: dbus-daemon's library answers it, and so do we.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { MessageType } from '#bridge/wire/types.js';
import { type ReferenceBus, startReferenceBus } from '../activation/reference-bus.js';
import { type RunningBus, sessionConfig, startBus } from '../support/bus.js';
import { RawClient } from '../support/raw-client.js';
import { describeWith, needs } from '../support/software.js';

const PEER = 'org.freedesktop.DBus.Peer';
const INTROSPECTABLE = 'org.freedesktop.DBus.Introspectable';

describeWith([needs('dbus-daemon', 'dbus-daemon')], 'without a destination', () => {
  let theirs: ReferenceBus;
  let ours: RunningBus;
  let clients: RawClient[] = [];
  beforeAll(async () => {
    theirs = await startReferenceBus();
    const everybody = '<policy context="default"><allow user="*"/></policy>';
    ours = await startBus({ config: sessionConfig('unix:path=@DIR@/bus', everybody) });
  });
  afterEach(() => {
    for (const client of clients) client.close();
    clients = [];
  });
  afterAll(async () => {
    await ours.stop();
    await theirs.stop();
  });

  const clientsOf = (address: string): [RawClient, RawClient] => {
    const pair: [RawClient, RawClient] = [RawClient.open(address), RawClient.open(address)];
    clients.push(...pair);
    return pair;
  };

  test.each([
    [PEER, 'Nope', ''],
    [PEER, 'Nope', 's'],
    [PEER, 'Ping', 's'],
    [INTROSPECTABLE, 'Nope', ''],
    ['org.freedesktop.DBus', 'ListNames', ''],
    ['org.freedesktop.DBus.Properties', 'GetAll', 's'],
    ['org.example.Any', 'Nope', 's'],
    [undefined, 'Nope', ''],
    [undefined, 'Ping', ''],
    [undefined, 'GetMachineId', ''],
  ])('the call %s.%s(%s) has the same answer', (name, member, signature) => {
    const [ourAnswer, theirAnswer] = [ours.address, theirs.address].map((address) => {
      const [client] = clientsOf(address);
      const body = signature === '' ? [] : ['x'];
      const serial = client.startCall({ interface: name, member, signature }, body);
      const { type, errorName, body: result } = client.replyTo(serial);
      return { type, errorName, result };
    });
    expect(ourAnswer).toEqual(theirAnswer);
  });

  test.each([
    [PEER, 'Ping'],
    [PEER, 'Any'],
    [INTROSPECTABLE, 'Introspect'],
    ['org.freedesktop.DBus', 'Any'],
  ])('the signal %s.%s is heard by the same, and answered alike', (name, member) => {
    const [our, their] = [ours.address, theirs.address].map((address) => {
      const [sender, listener] = clientsOf(address);
      listener.callBus('AddMatch', 's', ["type='signal',path='/here'"]);
      const fields = { path: '/here', interface: name, member };
      const serial = sender.post(MessageType.Signal, fields);
      sender.callBus('GetId');
      const answers = sender.receiveWaiting().filter(({ replySerial }) => replySerial === serial);
      sender.post(MessageType.Signal, { ...fields, interface: 'org.example.Last' });
      const last = listener.receive((each) => each.interface === 'org.example.Last');
      const heard = [...listener.receiveWaiting().filter(({ path }) => path === '/here'), last];
      return {
        heard: heard.map((message) => [message.interface, message.member]),
        answers: answers.map(({ type, errorName, body }) => ({ type, errorName, body })),
      };
    });
    expect(our).toEqual(their);
  });
});

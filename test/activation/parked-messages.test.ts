import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import {
  ActivatingBus,
  type ActivatingBusOptions,
  BUS,
  callAndSync,
  ERROR,
  errorOf,
  isMethod,
  takeName,
} from './activating-bus.js';

let bus: ActivatingBus;
function startFor(options: ActivatingBusOptions = {}): void {
  beforeAll(async () => {
    bus = await ActivatingBus.start(options);
  });
  afterAll(() => bus.stop());
}

describe('what is sent to a name that can be started', () => {
  startFor();

  test('waits, and arrives in the order in which it was sent, from all senders', () => {
    const name = bus.install('org.example.Order');
    const [first, second, service] = [bus.connect(), bus.connect(), bus.connect()];
    callAndSync(first, name, ['1']);
    callAndSync(second, name, ['2']);
    first.post(
      MessageType.Signal,
      {
        destination: name,
        path: '/',
        interface: 'org.example.I',
        member: 'Method',
        signature: 's',
      },
      ['3'],
    );
    callAndSync(first, name, ['4']);
    takeName(service, name);
    const came = [1, 2, 3, 4].map(() => service.receive(isMethod));
    expect(came.map(({ body, sender }) => [body[0], sender])).toEqual([
      ['1', first.uniqueName],
      ['2', second.uniqueName],
      ['3', first.uniqueName],
      ['4', first.uniqueName],
    ]);
  });

  test('arrives after NameAcquired and before the reply to RequestName', () => {
    const name = bus.install('org.example.Between');
    const [client, service] = [bus.connect(), bus.connect()];
    callAndSync(client, name);
    service.receiveWaiting();
    takeName(service, name);
    const before = service.receiveWaiting().map(({ member }) => member);
    expect(before).toEqual(['NameAcquired', 'Method']);
  });

  test('can be answered, and what follows goes straight to the service', () => {
    const name = bus.install('org.example.Answer');
    const [client, service] = [bus.connect(), bus.connect()];
    const serial = callAndSync(client, name);
    takeName(service, name);
    service.reply(service.receive(isMethod), 's', ['answer']);
    expect(client.replyTo(serial)).toMatchObject({ body: ['answer'], sender: service.uniqueName });
    const next = client.startCall({ destination: name, member: 'Method' });
    service.reply(service.receive(isMethod), 's', ['again']);
    expect(client.replyTo(next).body).toEqual(['again']);
  });

  test('keeps its file descriptors', () => {
    const name = bus.install('org.example.Descriptor');
    const [client, service] = [bus.connect(), bus.connect()];
    const file = join(bus.folder, 'contents');
    writeFileSync(file, 'what was sent');
    const fd = openSync(file, 'r');
    client.startCall({ destination: name, member: 'Method', signature: 'h' }, [0], [fd]);
    client.callBus('GetId');
    closeSync(fd);
    takeName(service, name);
    expect(service.receive(isMethod).unixFds).toBe(1);
    expect(readFileSync(service.descriptors[0], 'utf8')).toBe('what was sent');
  });

  test('is refused if the service takes no file descriptors', () => {
    const name = bus.install('org.example.NoDescriptors');
    const client = bus.connect();
    const service = bus.connect(false);
    const fd = openSync('/dev/null', 'r');
    const call = { destination: name, member: 'Method', signature: 'h' };
    const serial = client.startCall(call, [0], [fd]);
    closeSync(fd);
    client.callBus('GetId');
    takeName(service, name);
    expect(errorOf(client, serial)[0]).toBe(`${ERROR}.NotSupported`);
  });

  test('is dropped when the sender leaves', () => {
    const name = bus.install('org.example.Left');
    const [client, other, service] = [bus.connect(), bus.connect(), bus.connect()];
    other.callBus('AddMatch', 's', [`arg0='${client.uniqueName}'`]);
    callAndSync(client, name, ['of one who left']);
    callAndSync(other, name, ['of one who stays']);
    client.close();
    other.receiveSignal('NameOwnerChanged');
    takeName(service, name);
    expect(service.receive(isMethod).body).toEqual(['of one who stays']);
    expect(service.receiveWaiting().filter(isMethod)).toEqual([]);
  });

  test('ends in NoReply if the service leaves without an answer', () => {
    const name = bus.install('org.example.Silent');
    const [client, service] = [bus.connect(), bus.connect()];
    const serial = callAndSync(client, name);
    takeName(service, name);
    service.receive(isMethod);
    service.close();
    expect(errorOf(client, serial)[0]).toBe(`${ERROR}.NoReply`);
  });

  test('with NO_AUTO_START finds no name, also while others wait for it', () => {
    const name = bus.install('org.example.NoAutoStart');
    const [client, service] = [bus.connect(), bus.connect()];
    const flags = MessageFlag.NoAutoStart;
    const expected = [`${ERROR}.NameHasNoOwner`, `Name "${name}" does not exist`];
    const call = { destination: name, member: 'Method' };
    expect(errorOf(client, client.startCall({ ...call, flags }))).toEqual(expected);
    const serial = callAndSync(client, name);
    expect(errorOf(client, client.startCall({ ...call, flags }))).toEqual(expected);
    takeName(service, name);
    service.reply(service.receive(isMethod));
    expect(client.replyTo(serial).type).toBe(MessageType.MethodReturn);
  });

  test('leaves nothing behind when everybody has gone', () => {
    const observer = bus.connect();
    const figures = (): unknown[] => {
      const [stats] = observer.call({
        destination: BUS,
        path: '/org/freedesktop/DBus',
        interface: 'org.freedesktop.DBus.Debug.Stats',
        member: 'GetStats',
      }) as [Map<string, { value: unknown }>];
      const keys = ['Core.Nodes', 'Core.Handles', 'Core.Peers', 'Core.Charged'];
      return keys.map((key) => [key, stats.get(`org.bus1.${key}`)?.value]);
    };
    const names = ['Delivered', 'Failed', 'Abandoned'].map((each) => `org.example.${each}`);
    bus.install(names[0]);
    bus.install(names[1], '/bin/false');
    bus.install(names[2]);
    observer.callBus('AddMatch', 's', ["member='NameOwnerChanged',arg2=''"]);
    const before = figures();
    const [client, service] = [bus.connect(), bus.connect()];
    callAndSync(client, names[0]);
    takeName(service, names[0]);
    service.receive(isMethod);
    client.replyTo(callAndSync(client, names[1]));
    callAndSync(client, names[2]);
    for (const leaving of [client, service]) {
      leaving.close();
      observer.receive(({ body }) => body[0] === leaving.uniqueName && body[2] === '');
    }
    expect(figures()).toEqual(before);
  });
});

describe('policy', () => {
  const SECRET = 'org.example.Secret';
  startFor({
    elements: `<policy context="mandatory">
      <deny send_destination="org.example.Closed"/>
      <deny send_destination="org.example.HalfOpen" send_interface="${SECRET}"/>
      <deny receive_interface="${SECRET}"/>
    </policy>`,
  });

  test('is asked before a service is started', () => {
    const name = bus.install('org.example.Closed', '/bin/false');
    const client = bus.connect();
    const [error, text] = errorOf(client, callAndSync(client, name));
    expect(error).toBe(`${ERROR}.AccessDenied`);
    expect(text).toContain('send_destination="org.example.Closed"');
  });

  test('is asked for each message', () => {
    const name = bus.install('org.example.HalfOpen');
    const [client, service] = [bus.connect(), bus.connect()];
    const secret = { destination: name, interface: SECRET, member: 'Method' };
    const errorName = (): unknown => errorOf(client, client.startCall(secret))[0];
    expect(errorName()).toBe(`${ERROR}.AccessDenied`);
    callAndSync(client, name, ['open']);
    expect(errorName()).toBe(`${ERROR}.AccessDenied`);
    takeName(service, name);
    expect(service.receive(isMethod).body).toEqual(['open']);
    expect(errorName()).toBe(`${ERROR}.AccessDenied`);
  });

  test('of the receiver is asked when it is there; it gets its name all the same', () => {
    const name = bus.install('org.example.Receiver');
    const [client, service] = [bus.connect(), bus.connect()];
    const secret = { destination: name, path: '/', interface: SECRET, member: 'Method' };
    const call = client.startCall(secret);
    const signal = client.post(MessageType.Signal, secret);
    const open = callAndSync(client, name, ['open']);
    takeName(service, name);
    expect(service.receive(isMethod).body).toEqual(['open']);
    for (const serial of [call, signal]) {
      const [error, text] = errorOf(client, serial);
      expect(error).toBe(`${ERROR}.AccessDenied`);
      expect(text).toContain(`receive_interface="${SECRET}"`);
    }
    expect(client.receiveWaiting().filter(({ replySerial }) => replySerial === open)).toEqual([]);
  });
});

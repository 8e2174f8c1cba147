import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MessageType } from '#bridge/wire/types.js';
import { describeWith, needsPythonModule } from '../support/bus.js';
import { PYTHON } from '../support/software.js';
import { ErrorReply, type RawClient } from '../support/raw-client.js';
import {
  ActivatingBus,
  type ActivatingBusOptions,
  BUS,
  callAndSync,
  ERROR,
  errorOf,
  isMethod,
  startService,
  takeName,
} from './activating-bus.js';

const SERVICE = `${PYTHON} ${join(import.meta.dirname, 'service.py')}`;
const SERVICE_AT = { path: '/', interface: 'org.example.Service' };

let bus: ActivatingBus;
function startFor(options: ActivatingBusOptions = {}): void {
  beforeAll(async () => {
    bus = await ActivatingBus.start(options);
  });
  afterAll(() => bus.stop());
}

describeWith([needsPythonModule('gi', 'python3-gi')], 'a real service', () => {
  startFor({ env: { INHERITED: 'from the bus' } });

  const environment = (client: RawClient, name: string, variable: string): unknown =>
    client.call({ ...SERVICE_AT, destination: name, member: 'Environment', signature: 's' }, [
      variable,
    ])[0];

  const quit = (client: RawClient, name: string): void => {
    client.callBus('AddMatch', 's', [`member='NameOwnerChanged',arg0='${name}'`]);
    client.call({ ...SERVICE_AT, destination: name, member: 'Quit' });
    client.receive((each) => each.member === 'NameOwnerChanged' && each.body[2] === '');
  };

  test('is started by a call, finds the bus, and answers', () => {
    const name = bus.install('org.example.Real', `${SERVICE} org.example.Real`);
    const client = bus.connect();
    expect(environment(client, name, 'DBUS_STARTER_ADDRESS')).toBe(bus.address);
    expect(environment(client, name, 'DBUS_STARTER_BUS_TYPE')).toBe('session');
    expect(environment(client, name, 'DBUS_SESSION_BUS_ADDRESS')).toBe(bus.address);
    expect(environment(client, name, 'INHERITED')).toBe('from the bus');
    quit(client, name);
  });

  test('gets the environment that clients have set, and not what they have unset', () => {
    const name = bus.install('org.example.Real', `${SERVICE} org.example.Real`);
    const client = bus.connect();
    const variables = new Map([
      ['ADDED', 'one'],
      ['KEPT', 'two'],
      ['DBUS_STARTER_ADDRESS', 'not believed'],
    ]);
    client.callBus('UpdateActivationEnvironment', 'a{ss}', [variables]);
    client.call(
      {
        destination: BUS,
        path: '/org/freedesktop/DBus',
        interface: 'org.bus1.DBus.Activation',
        member: 'UnsetEnvironment',
        signature: 'as',
      },
      [['ADDED', 'INHERITED', 'NEVER_SET']],
    );
    expect(environment(client, name, 'KEPT')).toBe('two');
    expect(environment(client, name, 'ADDED')).toBe('(unset)');
    expect(environment(client, name, 'INHERITED')).toBe('(unset)');
    expect(environment(client, name, 'DBUS_STARTER_ADDRESS')).toBe(bus.address);
    quit(client, name);
  });

  test('is started again after it has ended', () => {
    const name = bus.install('org.example.Again', `${SERVICE} org.example.Again`);
    const client = bus.connect();
    for (let i = 0; i < 2; i++) {
      expect(startService(client, name)).toBe(1);
      quit(client, name);
    }
  });
});

describe('StartServiceByName', () => {
  startFor();

  test('answers 1 when the name can be seen, then 2', () => {
    const name = bus.install('org.example.Started');
    const [client, service] = [bus.connect(), bus.connect()];
    const call = { destination: BUS, member: 'StartServiceByName', signature: 'su' };
    const serial = client.startCall(call, [name, 0]);
    const asked = client.callBus('NameHasOwner', 's', [name]);
    expect(asked).toEqual([false]);
    expect(client.receiveWaiting().some(({ replySerial }) => replySerial === serial)).toBe(false);
    takeName(service, name);
    expect(client.replyTo(serial).body).toEqual([1]);
    expect(client.callBus('GetNameOwner', 's', [name])).toEqual([service.uniqueName]);
    expect(startService(client, name)).toBe(2);
  });

  test('knows a file that was installed a moment ago, also while the disk is looked at', () => {
    for (let i = 0; i < 3000; i++) bus.install(`org.example.Other${i}`);
    const name = bus.install('org.example.JustInstalled');
    const [client, service] = [bus.connect(), bus.connect()];
    const call = { destination: BUS, member: 'StartServiceByName', signature: 'su' };
    const serial = client.startCall(call, [name, 0]);
    takeName(service, name);
    expect(startService(client, name)).toBe(2);
    expect(client.replyTo(serial).body).toEqual([1]);
    expect(() => startService(client, service.uniqueName)).toThrow(ErrorReply);
  });

  test('knows only names with a file, as in the reference daemon', () => {
    const client = bus.connect();
    takeName(client, 'org.example.NoFile');
    expect(() => startService(client, 'org.example.NoFile')).toThrow(ErrorReply);
  });

  test('can be joined by calls, in turn', () => {
    const name = bus.install('org.example.Joined');
    const [client, service] = [bus.connect(), bus.connect()];
    const call = callAndSync(client, name);
    const member = 'StartServiceByName';
    const start = client.startCall({ destination: BUS, member, signature: 'su' }, [name, 0]);
    client.callBus('GetId');
    takeName(service, name);
    expect(client.replyTo(start).body).toEqual([1]);
    service.reply(service.receive(isMethod));
    expect(client.replyTo(call).type).toBe(MessageType.MethodReturn);
  });
});

describe('the directories', () => {
  let observer: RawClient;
  beforeAll(async () => {
    bus = await ActivatingBus.start();
    observer = bus.connect();
    observer.callBus('AddMatch', 's', [`sender='${BUS}',member='ActivatableServicesChanged'`]);
  });
  afterAll(() => bus.stop());
  afterEach(() => observer.receiveWaiting());

  const listed = (): unknown => observer.callBus('ListActivatableNames')[0];

  test('are followed: a file that comes or goes is announced', () => {
    expect(listed()).toEqual([BUS]);
    const name = bus.install('org.example.New');
    observer.receiveSignal('ActivatableServicesChanged');
    expect(listed()).toEqual([BUS, name]);
    bus.uninstall(name);
    observer.receiveSignal('ActivatableServicesChanged');
    expect(listed()).toEqual([BUS]);
  });

  test('are looked at again for a file that came, changed or went a moment ago', () => {
    const client = bus.connect();
    const name = bus.install('org.example.Moment', '/bin/false');
    expect(errorOf(client, callAndSync(client, name))[0]).toBe(`${ERROR}.Spawn.ChildExited`);
    bus.install(name, '/nonexistent');
    expect(errorOf(client, callAndSync(client, name))[0]).toBe(`${ERROR}.Spawn.ExecFailed`);
    bus.uninstall(name);
    expect(errorOf(client, callAndSync(client, name))[0]).toBe(`${ERROR}.ServiceUnknown`);
  });
});

test('UpdateActivationEnvironment is for the bus object alone', async () => {
  bus = await ActivatingBus.start();
  const client = bus.connect();
  const call = { destination: BUS, interface: BUS, signature: 'a{ss}', path: '/elsewhere' };
  const member = 'UpdateActivationEnvironment';
  expect(() => client.call({ ...call, member }, [new Map()])).toThrow(
    `Method '${member}' is only available at the canonical object path '/org/freedesktop/DBus'`,
  );
  await bus.stop();
});

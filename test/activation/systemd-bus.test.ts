import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MessageType, type Variant } from '#bridge/wire/types.js';
import type { RawClient } from '../support/raw-client.js';
import {
  ActivatingBus,
  type ActivatingBusOptions,
  BUS,
  callAndSync,
  ERROR,
  takeName,
} from './activating-bus.js';

const SYSTEMD = 'org.freedesktop.systemd1';
const ARGS = ['--systemd-activation'];
const UNIT = 'example.service';

let bus: ActivatingBus;
function startFor(options: ActivatingBusOptions): void {
  beforeAll(async () => {
    bus = await ActivatingBus.start(options);
  });
  afterAll(() => bus.stop());
}

/** Names that only systemd can provide, since Exec would fail at once, and their units. */
const FIRST = 'org.example.First';
const SECOND = 'org.example.Second';
const OTHER = 'org.example.Other';
const UNITS = { [FIRST]: UNIT, [SECOND]: UNIT, [OTHER]: 'other.service' };

function prepare(each: ActivatingBus): void {
  for (const [name, unit] of Object.entries(UNITS)) {
    each.install(name, '/bin/false', `SystemdService=${unit}`);
  }
}

function reportFailure(client: RawClient, body: unknown[], signature = 'sss'): void {
  client.post(
    MessageType.Signal,
    {
      destination: BUS,
      path: '/org/freedesktop/systemd1',
      interface: 'org.freedesktop.systemd1.Activator',
      member: 'ActivationFailure',
      signature,
    },
    body,
  );
  client.callBus('GetId');
}

const errorOf = (client: RawClient, serial: number): [string | undefined, unknown] => {
  const { errorName, body } = client.replyTo(serial);
  return [errorName, body[0]];
};

function featuresOf(client: RawClient): unknown {
  const [features] = client.call(
    {
      destination: BUS,
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
    },
    [BUS, 'Features'],
  ) as [Variant];
  return features.value;
}

describe('before systemd is on the bus', () => {
  startFor({ args: ARGS, prepare });

  test('requests wait for it, and come after its NameAcquired, before the reply', () => {
    const [client, systemd] = [bus.connect(), bus.connect()];
    const names = [OTHER, FIRST];
    const serials = names.map((name) => callAndSync(client, name));
    systemd.receiveWaiting();
    takeName(systemd, SYSTEMD);
    const came = systemd.receiveWaiting();
    expect(came.map(({ member, body }) => [member, body[0]])).toEqual([
      ['NameAcquired', SYSTEMD],
      ['ActivationRequest', 'other.service'],
      ['ActivationRequest', UNIT],
    ]);
    expect(came[1]).toMatchObject({
      type: MessageType.Signal,
      sender: BUS,
      destination: SYSTEMD,
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.systemd1.Activator',
      signature: 's',
    });
    for (const name of names) takeName(systemd, name);
    for (const serial of serials) {
      systemd.reply(systemd.receive(({ member }) => member === 'Method'));
      expect(client.replyTo(serial).type).toBe(MessageType.MethodReturn);
    }
    systemd.close();
  });

  test('a call to systemd itself waits, without any file', () => {
    const [client, systemd] = [bus.connect(), bus.connect()];
    const serial = callAndSync(client, SYSTEMD);
    takeName(systemd, SYSTEMD);
    systemd.reply(systemd.receive(({ member }) => member === 'Method'));
    expect(client.replyTo(serial).type).toBe(MessageType.MethodReturn);
    systemd.close();
  });

  test('changes of the environment wait, too', () => {
    const [client, systemd] = [bus.connect(), bus.connect()];
    client.callBus('UpdateActivationEnvironment', 'a{ss}', [new Map([['NAME', 'value']])]);
    takeName(systemd, SYSTEMD);
    const first = systemd.receive(({ member }) => member === 'SetEnvironment');
    expect(first).toMatchObject({ destination: SYSTEMD, body: [['NAME=value']] });
    client.call(
      {
        destination: BUS,
        path: '/org/freedesktop/DBus',
        interface: 'org.bus1.DBus.Activation',
        member: 'UnsetEnvironment',
        signature: 'as',
      },
      [['NAME']],
    );
    const second = systemd.receive(({ member }) => member === 'UnsetEnvironment');
    expect(second).toMatchObject({ destination: systemd.uniqueName, body: [['NAME']] });
    systemd.close();
  });
});

describe('a failure', () => {
  startFor({ args: ARGS, prepare });

  test('reported by systemd ends the wait for every name of the unit', () => {
    const [client, systemd] = [bus.connect(), bus.connect()];
    takeName(systemd, SYSTEMD);
    const serials = [FIRST, SECOND].map((name) => callAndSync(client, name));
    const waiting = callAndSync(client, OTHER);
    reportFailure(systemd, [UNIT, 'com.example.Nope', 'the computer says no']);
    for (const serial of serials) {
      expect(errorOf(client, serial)).toEqual(['com.example.Nope', 'the computer says no']);
    }
    reportFailure(systemd, ['other.service', 'not an error name', 'another reason']);
    expect(errorOf(client, waiting)).toEqual([`${ERROR}.Failed`, 'another reason']);
    systemd.close();
  });

  test('reported by anybody else, or in other words, is ignored and logged', async () => {
    const [client, systemd] = [bus.connect(), bus.connect()];
    takeName(systemd, SYSTEMD);
    const serial = callAndSync(client, FIRST);
    reportFailure(client, [UNIT, 'com.example.Malice', 'malice']);
    reportFailure(systemd, [UNIT], 's');
    await expect.poll(() => bus.stderr.match(/ActivationFailure ignored/g)?.length).toBe(2);
    takeName(systemd, FIRST);
    systemd.reply(systemd.receive(({ member }) => member === 'Method'));
    expect(client.replyTo(serial).type).toBe(MessageType.MethodReturn);
    systemd.close();
  });
});

describe('when systemd does not come', () => {
  startFor({ args: ARGS, prepare, elements: '<limit name="service_start_timeout">200</limit>' });

  test('the wait ends with TimedOut', () => {
    const client = bus.connect();
    const text = `Failed to activate service '${FIRST}': timed out (service_start_timeout=200ms)`;
    expect(errorOf(client, callAndSync(client, FIRST))).toEqual([`${ERROR}.TimedOut`, text]);
    expect(errorOf(client, callAndSync(client, SYSTEMD))[0]).toBe(`${ERROR}.TimedOut`);
  });
});

describe('while systemd is waited for', () => {
  startFor({ args: ARGS, prepare });

  test('services without a unit are started by the bus', () => {
    const client = bus.connect();
    callAndSync(client, FIRST);
    const name = bus.install('org.example.Plain', '/bin/false');
    expect(errorOf(client, callAndSync(client, name))[0]).toBe(`${ERROR}.Spawn.ChildExited`);
  });
});

test('the property Features tells of it', async () => {
  bus = await ActivatingBus.start({ args: ARGS });
  const expected = ['ActivatableServicesChanged', 'HeaderFiltering', 'SystemdActivation'];
  expect(featuresOf(bus.connect())).toEqual(expected);
  await bus.stop();
  bus = await ActivatingBus.start();
  expect(featuresOf(bus.connect())).toEqual(['ActivatableServicesChanged', 'HeaderFiltering']);
  await bus.stop();
});

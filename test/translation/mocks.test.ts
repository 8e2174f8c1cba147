// The mappings that come with the bridge, on mocks of the services that they are for.
import { closeSync, fstatSync } from 'node:fs';
import dbus from 'dbus-next';
import { firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Capability, type Bus, type Signal, type Variant } from '#bridge/client/index.js';
import { connect } from '../support/names.js';
import { describeWith } from '../support/software.js';
import { MOCK_SOFTWARE } from '../mappings/sources.js';
import { Bridge, call, gone, legacyCall } from './bridge.js';

const PROPERTIES = 'org.freedesktop.DBus.Properties';
const MOCK = 'org.freedesktop.DBus.Mock';

let bridge: Bridge;
let native: Bus;
let legacy: dbus.MessageBus;

beforeEach(async () => {
  bridge = await Bridge.start('--mappings');
  native = await bridge.native();
  legacy = await connect(bridge.address);
});

afterEach(async () => {
  native.close();
  legacy.disconnect();
  await bridge.stop();
});

/** Calls through a handle to an object, for one of its properties. */
const property = async (object: Capability, iface: string, name: string): Promise<unknown> =>
  ((await call(object, `${PROPERTIES}.Get`, 'ss', iface, name)) as Variant).value;

describeWith(MOCK_SOFTWARE, 'logind', () => {
  const NAME = 'org.freedesktop.login1';
  const PATH = '/org/freedesktop/login1';
  const SESSION = `${NAME}.Session`;
  const mock = (member: string, signature: string, ...body: unknown[]) =>
    legacyCall(legacy, { destination: NAME, path: PATH, interface: MOCK, member, signature, body });
  const listSessions = { destination: NAME, path: PATH, interface: `${NAME}.Manager` };

  beforeEach(async () => {
    await bridge.mock('logind', NAME);
    for (const id of ['c1', 'c2']) {
      await mock('AddSession', 'ssusb', id, 'seat0', 1000, 'joe', true);
    }
  });

  test('sessions are handles, and strings for a legacy program', async () => {
    const manager = await native.resolve(NAME);
    const sessions = (await call(manager, `${NAME}.Manager.ListSessions`)) as unknown[][];
    expect(sessions.map(([id]) => id)).toEqual(['c1', 'c2']);
    const session = sessions[1][4] as Capability;
    expect(await property(session, SESSION, 'Id')).toBe('c2');
    expect(await legacyCall(legacy, { ...listSessions, member: 'ListSessions' })).toEqual([
      ['c1', 'c2'].map((id) => [id, 1000, 'joe', 'seat0', `${PATH}/session/${id}`]),
    ]);
  });

  test('from a session to its user and seat, and back', async () => {
    const manager = await native.resolve(NAME);
    const session = (await call(manager, `${NAME}.Manager.GetSession`, 's', 'c1')) as Capability;
    const [uid, user] = (await property(session, SESSION, 'User')) as [number, Capability];
    expect(uid).toBe(1000);
    expect(await property(user, `${NAME}.User`, 'Name')).toBe('joe');
    const [, seat] = (await property(session, SESSION, 'Seat')) as [string, Capability];
    const all = (await property(seat, `${NAME}.Seat`, 'Sessions')) as [string, Capability][];
    expect(all.map(([id, one]) => [id, one instanceof Capability])).toEqual([
      ['c1', true],
      ['c2', true],
    ]);
  });

  test('a path that is known, or guessed, is nothing that can be called', async () => {
    const manager = await native.resolve(NAME);
    const guess = { path: `${PATH}/session/c1`, interface: SESSION, member: 'Lock' };
    await expect(manager.call(guess)).rejects.toMatchObject({
      name: 'org.freedesktop.DBus.Error.UnknownObject',
    });
    const made = { destination: NAME, ...guess };
    await expect(native.call(made)).rejects.toThrow(/call its object through the handle to that/);
    expect(await legacyCall(legacy, made)).toEqual([]);
  });

  test('a descriptor in a result', async () => {
    const manager = await native.resolve(NAME);
    const words = ['idle', 'test', 'for a test', 'block'];
    const fd = (await call(manager, `${NAME}.Manager.Inhibit`, 'ssss', ...words)) as number;
    expect(fstatSync(fd).isFIFO()).toBe(true);
    closeSync(fd);
  });

  test('the end of a session', async () => {
    const manager = await native.resolve(NAME);
    const session = (await call(manager, `${NAME}.Manager.GetSession`, 's', 'c2')) as Capability;
    const other = (await call(manager, `${NAME}.Manager.GetSession`, 's', 'c1')) as Capability;
    const released = gone(session);
    const removed = new dbus.Variant('s', 'c2');
    const path = new dbus.Variant('o', `${PATH}/session/c2`);
    await mock('EmitSignal', 'sssav', `${NAME}.Manager`, 'SessionRemoved', 'so', [removed, path]);
    await released;
    expect(other.live).toBe(true);
  });
});

describeWith(MOCK_SOFTWARE, 'UPower', () => {
  const NAME = 'org.freedesktop.UPower';
  const PATH = '/org/freedesktop/UPower';
  const mock = (member: string, signature: string, ...body: unknown[]) =>
    legacyCall(legacy, { destination: NAME, path: PATH, interface: MOCK, member, signature, body });

  test('devices come as handles, and end', async () => {
    await bridge.mock('upower', NAME);
    const upower = await native.resolve(NAME);
    let heard = (_signal: Signal): void => {};
    const added = new Promise<Signal>((resolve) => (heard = resolve));
    const listener = native.export([], {
      onSignal: (signal) => {
        if (signal.member === 'DeviceAdded') heard(signal);
      },
    });
    await call(upower, 'org.bus1.Signals.Subscribe', 'o', listener);
    const battery = ['BAT0', 'Mock battery', 30, 1200n];
    const [path] = await mock('AddDischargingBattery', 'ssdx', ...battery);
    const [device] = (await added).body as [Capability];
    expect(await property(device, `${NAME}.Device`, 'Model')).toBe('Mock battery');
    const devices = (await call(upower, `${NAME}.EnumerateDevices`)) as Capability[];
    expect(devices).toHaveLength(1);
    const released = [device, ...devices].map((one) => gone(one));
    await mock('RemoveDevice', 'o', path);
    await Promise.all(released);
  });
});

describeWith(MOCK_SOFTWARE, 'notifications', () => {
  const NAME = 'org.freedesktop.Notifications';
  const TYPES = 'susssasa{sv}i';
  const words = (summary: string) => ['test', 0, '', summary, 'body', [], new Map(), -1];

  test('numbers stay numbers, and signals come as to anybody', async () => {
    await bridge.mock('notification_daemon', NAME);
    const service = await native.resolve(NAME);
    const signals = native.signals({ sender: NAME, member: 'NotificationClosed' });
    const closed = firstValueFrom(signals);
    await native.settled();
    const id = await call(service, `${NAME}.Notify`, TYPES, ...words('native'));
    expect(id).toBe(1);
    await call(service, `${NAME}.CloseNotification`, 'u', id).catch(() => {});
    const call2 = { destination: NAME, path: '/org/freedesktop/Notifications', interface: NAME };
    const body = [...words('legacy').slice(0, 6), {}, -1];
    expect(
      await legacyCall(legacy, { ...call2, member: 'Notify', signature: TYPES, body }),
    ).toEqual([2]);
    await legacyCall(legacy, { ...call2, member: 'CloseNotification', signature: 'i', body: [2] });
    expect(await closed).toMatchObject({ member: 'NotificationClosed' });
  });
});

// Going online, of the networkmanager template: NetworkManager itself would take over the machine's network.
import { expect, test } from 'vitest';
import { Capability, Variant } from '#bridge/client/index.js';
import { MOCK_SOFTWARE } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const NM = 'org.freedesktop.NetworkManager';
const ROOT = '/org/freedesktop';
const PATH = `${ROOT}/NetworkManager`;
const SETTINGS = { path: `${PATH}/Settings`, interface: `${NM}.Settings` };
const ACTIVE = `${NM}.Connection.Active`;
const CONNECTION = `${NM}.Settings.Connection`;
const DEVICE = `${NM}.Device`;
const WIRELESS = `${NM}.Device.Wireless`;
const POINT = `${NM}.AccessPoint`;
const MOCK = 'org.freedesktop.DBus.Mock';
const [WLAN, HOME, HOME_POINT] = ['Devices/wlan', 'Settings/home', 'AccessPoint/home'].map(
  (name) => `${PATH}/${name}`,
);

describeWith(MOCK_SOFTWARE, 'NetworkManager', () => {
  let mock: MockService;
  let manager: Capability;
  const peers = peersForAllTests(async (all) => {
    mock = await MockService.start(all, { name: NM, path: ROOT, template: 'networkmanager' });
    await mock.control('AddWiFiDevice', 'ssi', ['wlan', 'wlan0', 30]);
    await addPoint('home');
    await mock.control('AddWiFiConnection', 'ssss', [WLAN, 'home', 'home', '']);
    manager = await all.native.resolve(NM);
  });

  const addPoint = (name: string) => {
    const body = [WLAN, name, name, '00:00:00:00:00:01', 2, 2400, 50, 70, 0];
    return mock.control('AddAccessPoint', 'ssssuuuyu', body);
  };
  const settings = async (member: string, signature = '', ...body: unknown[]): Promise<unknown> =>
    (await manager.call({ ...SETTINGS, member, signature, body })).body[0];
  const wlan = async (): Promise<Capability> =>
    ((await call(manager, `${NM}.GetDevices`)) as Capability[])[0];
  const points = async (): Promise<Capability[]> =>
    (await call(await wlan(), `${WIRELESS}.GetAccessPoints`)) as Capability[];
  const home = async (): Promise<Capability> =>
    ((await property(await wlan(), DEVICE, 'AvailableConnections')) as Capability[])[0];
  const idOf = async (connection: unknown): Promise<unknown> => {
    const all = await call(connection as Capability, `${CONNECTION}.GetSettings`);
    return (all as Map<string, Map<string, Variant>>).get('connection')?.get('id')?.value;
  };
  const wired = (id: string, uuid: string) =>
    new Map([
      [
        'connection',
        new Map(Object.entries({ id, uuid }).map(([k, v]) => [k, new Variant('s', v)])),
      ],
    ]);

  test('a device is a handle, and a string for a legacy program', async () => {
    const named = await call(manager, `${NM}.GetDeviceByIpIface`, 's', 'wlan0');
    for (const device of [await wlan(), named as Capability]) {
      expect(await property(device, DEVICE, 'Interface')).toBe('wlan0');
    }
    const get = { destination: NM, path: PATH, interface: NM, member: 'GetDevices' };
    expect(await legacyCall(peers.legacy, get)).toEqual([[WLAN]]);
  });

  test('the object manager has handles to all, and stands at a path of its own', async () => {
    const managed = { path: ROOT, interface: 'org.freedesktop.DBus.ObjectManager' };
    const { body } = await manager.call({ ...managed, member: 'GetManagedObjects' });
    const objects = [...(body[0] as Map<Capability, Map<string, Map<string, Variant>>>)];
    const [device] = objects.find(([, interfaces]) => interfaces.has(DEVICE))!;
    expect(await property(device, DEVICE, 'Interface')).toBe('wlan0');
    expect(objects.every(([one]) => one instanceof Capability)).toBe(true);
  });

  test('a connection is activated by handles to all that it takes', async () => {
    const [connection, device, [point]] = [await home(), await wlan(), await points()];
    expect(await idOf(connection)).toBe('home');
    const active = await call(
      manager,
      `${NM}.ActivateConnection`,
      'ooo',
      connection,
      device,
      point,
    );
    expect((await mock.called('ActivateConnection')).args).toEqual([HOME, WLAN, HOME_POINT]);
    const get = (name: string): Promise<unknown> => property(active as Capability, ACTIVE, name);
    expect(await idOf(await get('Connection'))).toBe('home');
    expect(await property((await get('SpecificObject')) as Capability, POINT, 'Strength')).toBe(70);
    const [used] = (await get('Devices')) as Capability[];
    const online = (await property(used, DEVICE, 'ActiveConnection')) as Capability;
    expect(await property(online, ACTIVE, 'Id')).toBe('home');
    await call(manager, `${NM}.DeactivateConnection`, 'o', active);
    const [path] = (await mock.called('DeactivateConnection')).args;
    expect(path).toBe(`${PATH}/ActiveConnection/0`);
  });

  test('"/" is none, and no other path will do', async () => {
    const [connection, device] = [await home(), await wlan()];
    const activate = (point: string): Promise<unknown> =>
      call(manager, `${NM}.ActivateConnection`, 'ooo', connection, device, point);
    const active = (await activate('/')) as Capability;
    expect(await property(active, ACTIVE, 'SpecificObject')).toBe('/');
    await expect(activate(HOME_POINT)).rejects.toMatchObject({
      name: 'org.freedesktop.DBus.Error.AccessDenied',
    });
    await call(manager, `${NM}.DeactivateConnection`, 'o', active);
  });

  test('an access point comes and goes', async () => {
    const device = await wlan();
    const signals = await listenTo(peers.native, device);
    await addPoint('cafe');
    const [added] = (await signals.next('AccessPointAdded')).body as [Capability];
    expect(await property(added, POINT, 'Frequency')).toBe(2400);
    const released = [added, (await points())[1]].map((one) => gone(one));
    await mock.control('RemoveAccessPoint', 'ss', [WLAN, `${PATH}/AccessPoint/cafe`]);
    expect((await signals.next('AccessPointRemoved')).body[0]).toBeInstanceOf(Capability);
    await Promise.all(released);
  });

  test('a device comes by a signal', async () => {
    const signals = await listenTo(peers.native, manager);
    await mock.control('AddEthernetDevice', 'ssi', ['eth', 'eth0', 30]);
    const [added] = (await signals.next('DeviceAdded')).body as [Capability];
    expect(await property(added, DEVICE, 'Interface')).toBe('eth0');
  });

  test('a connection that is added and deleted', async () => {
    const signals = await listenTo(peers.native, manager, SETTINGS.path);
    const added = (await settings(
      'AddConnection',
      'a{sa{sv}}',
      wired('office', 'u1'),
    )) as Capability;
    const [told] = (await signals.next('NewConnection')).body as [Capability];
    const asked = (await settings('GetConnectionByUuid', 's', 'u1')) as Capability;
    expect(await Promise.all([added, told, asked].map(idOf))).toEqual([
      'office',
      'office',
      'office',
    ]);
    const released = [added, told, asked].map((one) => gone(one));
    await call(asked, `${CONNECTION}.Delete`);
    await Promise.all(released);
    const left = (await settings('ListConnections')) as Capability[];
    expect(await Promise.all(left.map(idOf))).toEqual(['home']);
  });

  test('a connection that somebody else removes', async () => {
    const connection = await home();
    const released = gone(connection);
    await mock.control('RemoveWifiConnection', 'ss', [WLAN, HOME], ROOT, MOCK);
    await released;
    expect(connection.live).toBe(false);
  });

  test('a connection that is added and activated at once', async () => {
    const [point] = await points();
    const words = [new Map([['connection', new Map()]]), await wlan(), point];
    const add = { interface: NM, member: 'AddAndActivateConnection', signature: 'a{sa{sv}}oo' };
    const [connection, active] = (await manager.call({ ...add, body: words })).body;
    expect(await idOf(connection)).toBe('home');
    expect(await property(active as Capability, ACTIVE, 'Id')).toBe('home');
  });
});

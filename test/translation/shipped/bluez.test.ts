// Adapters and devices of BlueZ.
import dbus from 'dbus-next';
import { expect, test } from 'vitest';
import { Capability } from '#bridge/client/index.js';
import { MOCK_SOFTWARE } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { ADAPTER, Bluez, MANAGER, NAME, OBJECT_MANAGER, PHONE, path } from './bluez.js';
import { peersForAllTests } from './peers.js';

const DEVICE = 'org.bluez.Device1';

describeWith(MOCK_SOFTWARE, 'objects of BlueZ', () => {
  let bluez: Bluez;
  const peers = peersForAllTests(async (all) => {
    bluez = await Bluez.start(all);
  });

  test('are handles in what the object manager tells, and strings for a legacy program', async () => {
    const phone = await bluez.device('phone');
    expect(await property(phone, DEVICE, 'Alias')).toBe('phone');
    const get = { destination: NAME, path: '/', interface: OBJECT_MANAGER };
    const [all] = await legacyCall(peers.legacy, { ...get, member: 'GetManagedObjects' });
    expect(Object.keys(all as object).toSorted()).toEqual([MANAGER, ADAPTER, PHONE]);
  });

  test('lead from one to the other', async () => {
    const [, phone] = (await bluez.objects()).find(([, interfaces]) => interfaces.has(DEVICE))!;
    const told = phone.get(DEVICE)!.get('Adapter')!.value as Capability;
    const asked = await property(await bluez.device('phone'), DEVICE, 'Adapter');
    for (const adapter of [told, asked as Capability]) {
      expect(await property(adapter, 'org.bluez.Adapter1', 'Name')).toBe('adapter');
    }
  });

  test('come by signals, and end when the adapter has removed them', async () => {
    const signals = await listenTo(peers.native, bluez.root);
    await bluez.addDevice('00:00:00:00:00:01', 'headset');
    const [added] = (await signals.next('InterfacesAdded')).body as [Capability];
    expect(await property(added, DEVICE, 'Alias')).toBe('headset');
    const released = [added, await bluez.device('headset')].map((one) => gone(one));
    await call(await bluez.adapter(), 'org.bluez.Adapter1.RemoveDevice', 'o', added);
    await Promise.all(released);
    expect((await bluez.mock.called('RemoveDevice')).path).toBe(ADAPTER);
  });

  test('end when they have disappeared', async () => {
    await bluez.addDevice('00:00:00:00:00:02', 'mouse');
    const [mouse, phone] = [await bluez.device('mouse'), await bluez.device('phone')];
    const released = gone(mouse);
    const at = `${ADAPTER}/dev_00_00_00_00_00_02`;
    await bluez.mock.remove(at);
    const removed = [path(at), new dbus.Variant('as', [DEVICE])];
    const signal = [OBJECT_MANAGER, 'InterfacesRemoved', 'oas', removed];
    await bluez.mock.control('EmitSignal', 'sssav', signal);
    await released;
    expect(phone.live).toBe(true);
  });

  test('end with the call that removes them, whatever the object manager says', async () => {
    const remove = ['org.bluez.Adapter1', 'RemoveDevice', 'o', '', ''];
    await bluez.mock.control('AddMethod', 'sssss', remove, ADAPTER);
    const phone = await bluez.device('phone');
    const released = gone(phone);
    await call(await bluez.adapter(), 'org.bluez.Adapter1.RemoveDevice', 'o', phone);
    await released;
    expect(phone.live).toBe(false);
  });
});

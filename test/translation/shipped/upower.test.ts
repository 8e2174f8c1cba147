// upowerd itself, on a machine that umockdev makes up: a test cannot count on a battery.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Capability, type Variant } from '#bridge/client/index.js';
import { openFolder } from '../../support/bus-command.js';
import type { Program } from '../../support/process.js';
import { PYTHON, describeWith, needs, needsPythonModule } from '../../support/software.js';
import { call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.freedesktop.UPower';
const PATH = '/org/freedesktop/UPower';
const DEVICE = `${NAME}.Device`;
const KEYBOARD = { path: `${PATH}/KbdBacklight`, interface: `${NAME}.KbdBacklight` };
const SOFTWARE = [
  needs('/usr/libexec/upowerd', 'upower'),
  needs('umockdev-wrapper', 'umockdev'),
  needsPythonModule('gi', 'python3-gi'),
  needsPythonModule('gi.repository.UMockdev', 'gir1.2-umockdev-1.0'),
];

describeWith(SOFTWARE, 'upowerd', () => {
  const history = join(openFolder('upower-'), 'history');
  let machine: Program;
  let upower: Capability;
  const peers = peersForAllTests(async ({ bridge, native }) => {
    mkdirSync(history);
    const command = ['umockdev-wrapper', PYTHON, join(import.meta.dirname, 'upowerd.py')];
    machine = await bridge.service(command, NAME, {
      DBUS_SYSTEM_BUS_ADDRESS: bridge.address,
      UPOWER_HISTORY_DIR: history,
    });
    upower = await native.resolve(NAME);
  });
  afterAll(() => rmSync(join(history, '..'), { recursive: true }));

  const devices = async (): Promise<Capability[]> =>
    (await call(upower, `${NAME}.EnumerateDevices`)) as Capability[];
  const modelOf = (device: Capability): Promise<unknown> => property(device, DEVICE, 'Model');

  test('devices are handles, and strings for a legacy program', async () => {
    const all = await devices();
    expect(await Promise.all(all.map(modelOf))).toEqual(['Model BAT0']);
    expect(await call(all[0], `${DEVICE}.GetStatistics`, 's', 'charging')).toHaveLength(101);
    const enumerate = {
      destination: NAME,
      path: PATH,
      interface: NAME,
      member: 'EnumerateDevices',
    };
    expect(await legacyCall(peers.legacy, enumerate)).toEqual([[`${PATH}/devices/battery_BAT0`]]);
  });

  test('so is what the battery icon shows', async () => {
    const shown = (await call(upower, `${NAME}.GetDisplayDevice`)) as Capability;
    expect(await property(shown, DEVICE, 'Energy')).toBe(48);
  });

  test('a device that is plugged in comes as a handle, which ends when it is taken out', async () => {
    const signals = await listenTo(peers.native, upower);
    machine.kill('SIGUSR1');
    const [added] = (await signals.next('DeviceAdded')).body as [Capability];
    expect(await modelOf(added)).toBe('Model BAT1');
    const [first, second] = await devices();
    const released = [added, second].map((one) => gone(one));
    machine.kill('SIGUSR2');
    expect((await signals.next('DeviceRemoved')).body[0]).toBeInstanceOf(Capability);
    await Promise.all(released);
    expect(await modelOf(first)).toBe('Model BAT0');
  });

  test('the path of a device is nothing to call', async () => {
    const guess = { path: `${PATH}/devices/battery_BAT0`, interface: DEVICE, member: 'Refresh' };
    await expect(upower.call(guess)).rejects.toMatchObject({
      name: 'org.freedesktop.DBus.Error.UnknownObject',
    });
  });

  test('the keyboard has one path, and is reached by it', async () => {
    const set = { ...KEYBOARD, member: 'SetBrightness', signature: 'i', body: [3] };
    await upower.call(set);
    expect((await upower.call({ ...KEYBOARD, member: 'GetBrightness' })).body).toEqual([3]);
    const all = await call(upower, 'org.freedesktop.DBus.Properties.GetAll', 's', NAME);
    expect((all as Map<string, Variant>).get('OnBattery')?.value).toBe(true);
  });
});

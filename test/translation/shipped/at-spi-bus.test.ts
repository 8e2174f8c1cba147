// at-spi-bus-launcher, which starts the accessibility bus and says where it is.
import { expect, test } from 'vitest';
import { type Capability, Variant } from '#bridge/client/index.js';
import { connect, listNames } from '../../support/names.js';
import type { Program } from '../../support/process.js';
import { describeWith, needs } from '../../support/software.js';
import { call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.a11y.Bus';
const PATH = '/org/a11y/bus';
const STATUS = 'org.a11y.Status';
const PROPERTIES = 'org.freedesktop.DBus.Properties';
const LAUNCHER = '/usr/libexec/at-spi-bus-launcher';
const SOFTWARE = [needs(LAUNCHER, 'at-spi2-core'), needs('dbus-daemon', 'dbus-daemon')];

describeWith(SOFTWARE, 'the accessibility bus', () => {
  let program: Program;
  let launcher: Capability;

  const peers = peersForAllTests(async ({ bridge, native }) => {
    program = await bridge.service([LAUNCHER], NAME, { GSETTINGS_BACKEND: 'memory' });
    launcher = await native.resolve(NAME);
  });

  test('is where the launcher says', async () => {
    const address = (await call(launcher, `${NAME}.GetAddress`)) as string;
    const bus = await connect(address.split(',')[0]);
    expect(await listNames(bus)).toContain('org.freedesktop.DBus');
    bus.disconnect();
    const to = { destination: NAME, path: PATH, interface: NAME, member: 'GetAddress' };
    expect(await legacyCall(peers.legacy, to)).toEqual([address]);
  });

  test('is used or not: who has the handle can tell, and hears', async () => {
    expect(await property(launcher, STATUS, 'IsEnabled')).toBe(false);
    const signals = await listenTo(peers.native, launcher);
    const on = new Variant('b', true);
    await call(launcher, `${PROPERTIES}.Set`, 'ssv', STATUS, 'IsEnabled', on);
    const { body } = await signals.next('PropertiesChanged');
    expect(body).toEqual([STATUS, new Map([['IsEnabled', on]]), []]);
    expect(await property(launcher, STATUS, 'IsEnabled')).toBe(true);
  });

  test('ends with the launcher, and so do handles', async () => {
    const released = gone(launcher);
    await program.stop();
    await released;
    expect(launcher.live).toBe(false);
  });
});

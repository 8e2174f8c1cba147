// The same when the service is not where the registry is: in another host of the bus, or on another bus.
import { rmSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Capability, implement, join, type Bus } from '#bridge/client/index.js';
import { MOCK_SOFTWARE, mockCommand } from '../mappings/sources.js';
import { openFolder } from '../support/bus-command.js';
import { sessionConfig } from '../support/bus.js';
import { connect, watchNames } from '../support/names.js';
import { describeWith } from '../support/software.js';
import { Bridge as AttachedBridge } from '../uplink/bridge.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE, OldBus, installService } from '../uplink/old-bus.js';
import { Bridge, call, gone } from './bridge.js';
import { Jukebox, LISTENER, NAME, trackPath } from './jukebox.js';

const MAPPING = ['--mapping', joinPath(import.meta.dirname, 'jukebox.yaml')];
const PLAYER = 'org.example.Player1';

/** What a native peer does with the service, from the first handle to the last; resolves with how many have ended. */
async function useJukebox(bus: Bus, service: Jukebox): Promise<number> {
  const jukebox = await bus.resolve(NAME);
  const [one, two] = (await call(jukebox, `${PLAYER}.Find`)) as Capability[];
  const playback = (await call(jukebox, `${PLAYER}.Play`, 'o', two)) as Capability;
  expect(service.events).toEqual([`play ${trackPath('two')}`]);
  await expect(call(jukebox, `${PLAYER}.Play`, 'o', trackPath('one'))).rejects.toThrow(/handle/);
  playback.release();
  await service.happened('stop 1');
  const choice = implement(LISTENER, { methods: { Choose: () => one } });
  await call(jukebox, `${PLAYER}.Watch`, 'o', bus.export([choice]));
  const { who } = service.calls.at(-1)!;
  const reply = await service.player.choose(who, trackPath('two'));
  expect(reply.body).toEqual([trackPath('one')]);
  const removed = gone(two);
  service.player.TrackRemoved(trackPath('two'));
  await removed;
  const ended = [jukebox, one].map((capability) => gone(capability));
  service.stop();
  return (await Promise.all(ended)).length;
}

describe('in another process of the bus', () => {
  test('calls, signals and ends', async () => {
    const bridge = await Bridge.start(...MAPPING, '--hosts', '2');
    const service = await Jukebox.start(bridge.address);
    const bus = await bridge.native();
    expect(await useJukebox(bus, service)).toBe(2);
    bus.close();
    await bridge.stop();
  });
});

describe.each(OLD_BUSES)('on another bus: %s', (kind) => {
  describeWith(OLD_BUS_SOFTWARE[kind], 'attached', () => {
    test('calls, signals and ends', async () => {
      const old = await OldBus.start(kind);
      const bridge = await AttachedBridge.attach(old, { args: MAPPING });
      const service = await Jukebox.start(old.address);
      const legacy = await connect(bridge.address);
      await (await watchNames(legacy)).owned(NAME);
      const bus = await join({ address: bridge.address });
      expect(await useJukebox(bus, service)).toBe(2);
      bus.close();
      legacy.disconnect();
      await bridge.stop();
      await old.stop();
    });
  });
});

describe('with a configuration', () => {
  const folder = openFolder('translation-config-');
  afterAll(() => rmSync(folder, { recursive: true }));
  const config = (more: string): string => {
    const file = joinPath(folder, 'bus.conf');
    writeFileSync(file, sessionConfig('unix:path=/unused', more));
    return file;
  };

  test('the policy counts for what a native peer does by handles, too', async () => {
    const deny = '<deny send_interface="org.example.Jukebox1" send_member="Play"/>';
    const file = config(`<policy context="mandatory">${deny}</policy>`);
    const bridge = await Bridge.start(...MAPPING, '--config', file);
    const service = await Jukebox.start(bridge.address);
    const bus = await bridge.native();
    const jukebox = await bus.resolve(NAME);
    const [one] = (await call(jukebox, `${PLAYER}.Find`)) as Capability[];
    await expect(call(jukebox, `${PLAYER}.Play`, 'o', one)).rejects.toMatchObject({
      name: 'org.freedesktop.DBus.Error.AccessDenied',
      message: expect.stringContaining('bus.conf'),
    });
    bus.close();
    service.stop();
    await bridge.stop();
  });

  describeWith(MOCK_SOFTWARE, 'and a service file', () => {
    test('the first call starts the service, and the handle stays good', async () => {
      const name = 'org.freedesktop.UPower';
      const exec = mockCommand('upower').join(' ');
      installService(folder, { name, exec });
      const file = config(`<servicedir>${folder}</servicedir>`);
      const bridge = await Bridge.start('--mappings', '--config', file);
      const bus = await bridge.native();
      const upower = await bus.resolve(name);
      const device = (await call(upower, `${name}.GetDisplayDevice`)) as Capability;
      expect(device).toBeInstanceOf(Capability);
      await call(device, 'org.freedesktop.DBus.Peer.Ping');
      expect(await call(upower, `${name}.EnumerateDevices`)).toEqual([]);
      expect(upower.live).toBe(true);
      bus.close();
      await bridge.stop();
    });
  });
});

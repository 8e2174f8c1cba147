// Programs written for dbus-next do the same on handles as on the socket of a dbus-daemon.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith, needs } from '../../support/bus.js';
import { start, type Program } from '../../support/process.js';
import { Bridge } from '../home.js';
import { PROGRAMS } from './programs.js';
import { withStage, type LibraryName } from './stage.js';

const COMBINATIONS: readonly (readonly [string, LibraryName, LibraryName])[] = [
  ['both on handles', 'bus1-bridge/dbus-next', 'bus1-bridge/dbus-next'],
  ['a service on handles, a client on a socket', 'bus1-bridge/dbus-next', 'dbus-next'],
  ['a service on a socket, a client on handles', 'dbus-next', 'bus1-bridge/dbus-next'],
];

describeWith([needs('dbus-daemon', 'dbus-daemon')], 'programs of dbus-next', () => {
  const directory = mkdtempSync(join(tmpdir(), 'programs-'));
  const reference = `unix:path=${directory}/bus`;
  let daemon: Program;
  let bridge: Bridge;
  beforeAll(async () => {
    const args = ['--session', '--nofork', '--print-address', `--address=${reference}`];
    daemon = start('dbus-daemon', args);
    await daemon.waitForLine(/^unix:/);
    bridge = await Bridge.start();
  });
  afterAll(async () => {
    await bridge.stop();
    await daemon.stop();
    rmSync(directory, { recursive: true });
  });

  describe.each(Object.entries(PROGRAMS))('%s', (_title, program) => {
    let expected: unknown;
    beforeAll(async () => {
      expected = await withStage(reference, 'dbus-next', 'dbus-next', program);
    });

    test.each(COMBINATIONS)('%s', async (_who, service, client) => {
      expect(await withStage(bridge.address, service, client, program)).toEqual(expected);
    });
  });
});

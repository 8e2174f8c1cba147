// systemd-logind itself, as nobody: with rights over anything it would take care of the machine's own
// sessions. What takes sessions is in logind.test.ts.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Capability } from '#bridge/client/index.js';
import { openFolder } from '../../support/bus-command.js';
import { describeWith, needs } from '../../support/software.js';
import { call, property } from '../bridge.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.freedesktop.login1';
const MANAGER = `${NAME}.Manager`;
const DAEMON = '/lib/systemd/systemd-logind';
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups'];
const EVERYBODY_MAY = `<busconfig><policy context="default">
  <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/>
</policy></busconfig>`;

describeWith([needs('setpriv', 'util-linux'), needs(DAEMON, 'systemd')], 'systemd-logind', () => {
  describe.runIf(process.getuid!() === 0)('started by root', () => {
    const folder = openFolder('logind-');
    const config = join(folder, 'everybody.conf');
    writeFileSync(config, EVERYBODY_MAY);
    afterAll(() => rmSync(folder, { recursive: true }));

    let manager: Capability;
    peersForAllTests(
      async ({ bridge, native }) => {
        const env = { DBUS_SYSTEM_BUS_ADDRESS: bridge.address };
        await bridge.service(['setpriv', ...NOBODY, DAEMON], NAME, env);
        manager = await native.resolve(NAME);
      },
      ['--config', config],
    );

    test('has a seat', async () => {
      const seats = (await call(manager, `${MANAGER}.ListSeats`)) as [string, Capability][];
      const asked = (await call(manager, `${MANAGER}.GetSeat`, 's', 'seat0')) as Capability;
      for (const seat of [new Map(seats).get('seat0')!, asked]) {
        expect(await property(seat, `${NAME}.Seat`, 'Id')).toBe('seat0');
      }
    });

    test('says what there is not', async () => {
      const none = call(manager, `${MANAGER}.GetSeat`, 's', 'none');
      await expect(none).rejects.toMatchObject({ name: `${NAME}.NoSuchSeat` });
    });
  });
});

// Programs written for dbus-next do the same on the adapter, wherever that is, as on the socket of a dbus-daemon.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith } from '../../support/bus.js';
import { OLD_BUS_SOFTWARE, OldBus } from '../../uplink/old-bus.js';
import { PLACES, type Bridge } from '../home.js';
import { PROGRAMS } from './programs.js';
import { withStage, type LibraryName } from './stage.js';

const COMBINATIONS: readonly (readonly [string, LibraryName, LibraryName])[] = [
  ['both on the adapter', 'bus1-bridge/dbus-next', 'bus1-bridge/dbus-next'],
  ['a service on the adapter', 'bus1-bridge/dbus-next', 'dbus-next'],
  ['a client on the adapter', 'dbus-next', 'bus1-bridge/dbus-next'],
];

describeWith(OLD_BUS_SOFTWARE['dbus-daemon'], 'programs of dbus-next', () => {
  let reference: OldBus;
  beforeAll(async () => {
    reference = await OldBus.start('dbus-daemon');
  });
  afterAll(() => reference.stop());

  describe.each(PLACES.map((place) => [place.title, place] as const))('%s', (_where, place) => {
    let bus: Pick<Bridge, 'address' | 'stop'>;
    beforeAll(async () => {
      bus = await place.open();
    });
    afterAll(() => bus.stop());

    describe.each(Object.entries(PROGRAMS))('%s', (_title, program) => {
      /* Buses have words of their own for what is not there: this one has dbus-daemon's. */
      let expected: unknown;
      beforeAll(async () => {
        const { address } = place.isOurs ? reference : bus;
        expected = await withStage(address, 'dbus-next', 'dbus-next', program);
      });

      test.each(COMBINATIONS)('%s', async (_who, service, client) => {
        const { transport } = place;
        const played = await withStage(bus.address, service, client, program, transport);
        expect(played).toEqual(expected);
      });
    });
  });
});

// org.bus1.Uplink: names move between two buses that go on.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { describeWith, needs } from '../support/software.js';
import { OLD_BUS_SOFTWARE } from './old-bus.js';
import {
  addMatch,
  callAndAnswer,
  emit,
  INTERFACE,
  isGone,
  isSignal,
  RawPair,
  settle,
  takeName,
  watch,
} from './raw-pair.js';

const NAME = 'org.example.Mover';

describeWith(
  [...OLD_BUS_SOFTWARE['dbus-daemon'], needs('gdbus', 'libglib2.0-bin')],
  'at run time',
  () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start('dbus-daemon');
    });
    afterEach(() => pair.closeClients());
    afterAll(() => pair.stop());

    test('a name is imported, with rules that were there before, and given up again', async () => {
      const [service, client] = [pair.there(), pair.here()];
      takeName(service, NAME);
      addMatch(client, `type='signal',sender='${NAME}'`);
      addMatch(client, `type='signal',interface='${INTERFACE}'`);
      await pair.bridge.uplink('Import', NAME);
      callAndAnswer(client, NAME, service);
      emit(service, 'Heard');
      expect(settle(client, NAME, service).filter(isSignal('Heard'))).toHaveLength(1);
      watch(client, NAME);
      await pair.bridge.uplink('Unimport', NAME);
      client.receive(isGone(NAME));
      expect(() => client.call({ destination: NAME, member: 'Ask' })).toThrow(/not provided/);
    });

    test('a name is exported while it is owned, and taken back', async () => {
      const [service, client] = [pair.here(), pair.there()];
      takeName(service, NAME);
      watch(client, NAME);
      await pair.bridge.uplink('Export', 'org.example.Mover.*');
      client.receive(({ member, body }) => member === 'NameOwnerChanged' && body[0] === NAME);
      callAndAnswer(client, NAME, service);
      await pair.bridge.uplink('Unexport', 'org.example.Mover.*');
      client.receive(isGone(NAME));
      expect(service.callBus('NameHasOwner', 's', [NAME])).toEqual([true]);
    });

    test('an owner here waits for its turn there, and gets it', async () => {
      const [service, rival] = [pair.here(), pair.there()];
      takeName(service, NAME);
      takeName(rival, NAME);
      await pair.bridge.uplink('Export', NAME);
      watch(rival, NAME);
      rival.callBus('ReleaseName', 's', [NAME]);
      const change = rival.receive(
        ({ member, body }) => member === 'NameOwnerChanged' && body[0] === NAME,
      );
      expect(change.body[2]).not.toBe('');
      callAndAnswer(rival, NAME, service);
      await pair.bridge.uplink('Unexport', NAME);
    });

    test('what is no pattern, and what is not on the list, is refused with the reason', async () => {
      await expect(pair.bridge.uplink('Import', 'no name')).rejects.toThrow(
        /"no name" is not a pattern of bus names/,
      );
      await expect(pair.bridge.uplink('Unexport', NAME)).rejects.toThrow(
        /is not on the list: org\.example\.New/,
      );
    });

    test('Status says what there is', async () => {
      const service = pair.oldService(pair.here());
      const status = await pair.bridge.status();
      expect(status).toMatchObject({
        isUp: true,
        address: pair.old.address,
        imports: ['org.example.Old'],
      });
      expect(status.imported).toMatchObject([{ name: 'org.example.Old', far: service.uniqueName }]);
    });
  },
);

// The other bus closes the connection of one client, whose message exceeds its limits, and goes on.
import { closeSync, openSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../support/software.js';
import { OLD_BUS_SOFTWARE } from './old-bus.js';
import { addMatch, emit, INTERFACE, isSignal, OLD_NAME, RawPair } from './raw-pair.js';

/** More than dbus-daemon takes with one message. */
const TOO_MANY = 40;
const LIMITS =
  '<limit name="max_message_unix_fds">200</limit><limit name="max_incoming_unix_fds">200</limit>';

describeWith(
  OLD_BUS_SOFTWARE['dbus-daemon'],
  'a client whose connection the other bus closes',
  () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start('dbus-daemon', { policy: LIMITS });
    });
    afterAll(() => pair.stop());

    test('is told so, and goes on to receive what its match rules ask for', async () => {
      const client = pair.here();
      const service = pair.oldService(client);
      addMatch(client, `type='signal',sender='${OLD_NAME}',interface='${INTERFACE}'`);
      const fds = Array.from({ length: TOO_MANY }, () => openSync('/dev/null', 'r'));
      const call = { destination: OLD_NAME, interface: INTERFACE, member: 'Take', signature: 'h' };
      const serial = client.startCall(call, [0], fds);
      for (const fd of fds) closeSync(fd);
      const { errorName, body } = client.replyTo(serial);
      expect(errorName).toBe('org.freedesktop.DBus.Error.NoReply');
      expect(body[0]).toContain('it closed the connection');
      /* the client itself does nothing that would open another one */
      const isHeard = (): boolean => {
        emit(service, 'Heard');
        return client.receiveWaiting().some(isSignal('Heard'));
      };
      await expect.poll(isHeard, { timeout: 20_000 }).toBe(true);
    });
  },
);

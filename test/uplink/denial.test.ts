// What the policy of the bridge refuses to a client of the other bus is told to the client, logged and counted.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../support/bus.js';
import { OLD_BUS_SOFTWARE } from './old-bus.js';
import { INTERFACE, NEW_NAME, RawPair, watch, isOwned } from './raw-pair.js';

const RULE = `<deny send_destination="${NEW_NAME}" send_interface="${INTERFACE}" send_member="Forbidden"/>`;

describeWith(OLD_BUS_SOFTWARE['dbus-daemon'], 'a call that the policy of the bridge denies', () => {
  let pair: RawPair;
  beforeAll(async () => {
    pair = await RawPair.start('dbus-daemon', {
      policy: `<policy context="default">${RULE}</policy>`,
    });
  });
  afterAll(() => pair.stop());

  test('from the other bus', async () => {
    const caller = pair.there();
    watch(caller, NEW_NAME);
    pair.newService();
    caller.receive(isOwned(NEW_NAME));
    const call = { destination: NEW_NAME, interface: INTERFACE, member: 'Forbidden' };
    const { errorName, body } = caller.replyTo(caller.startCall(call));
    expect(errorName).toBe('org.freedesktop.DBus.Error.AccessDenied');
    expect(body[0]).toMatch(/^Rejected send message: .*; type="method_call" .*Forbidden/);
    const line = await pair.bridge.program.waitForLine(/message denied by policy/, 'stderr');
    expect(JSON.parse(line)).toMatchObject({ name: caller.uniqueName });
  });
});

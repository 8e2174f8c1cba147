// Returns and errors that somebody sends to the bus itself, which awaits none.
import { expect, onTestFinished, test } from 'vitest';
import type { DecodedMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { startReferenceBus } from '../activation/reference-bus.js';
import { sessionConfig, startBus } from '../support/bus.js';
import { RawClient } from '../support/raw-client.js';
import { describeWith, needs } from '../support/software.js';

const DENY = `<policy context="mandatory">
  <deny send_requested_reply="false" send_type="method_return"/>
  <deny send_requested_reply="false" send_type="error"/>
</policy>`;
const POLICIES: readonly [string, string][] = [
  ['a policy that lets them pass', ''],
  ['one that denies them', DENY],
];

/** What the bus answers to a return and to an error, before it answers a call that follows. */
function answers(address: string): (string | undefined)[] {
  const client = RawClient.open(address);
  onTestFinished(() => client.close());
  const destination = 'org.freedesktop.DBus';
  const reply = { destination, replySerial: 99 };
  client.receiveSignal('NameAcquired');
  client.post(MessageType.MethodReturn, reply);
  client.post(MessageType.Error, { ...reply, errorName: 'org.example.Error' });
  const call = client.startCall({ destination, interface: destination, member: 'GetId' });
  const seen: DecodedMessage[] = [];
  do seen.push(client.receive());
  while (seen.at(-1)?.replySerial !== call);
  return seen.map(({ errorName }) => errorName);
}

describeWith([needs('dbus-daemon', 'dbus-daemon')], 'a reply to the bus', () => {
  test.each(POLICIES)('under %s', async (_title, policy) => {
    const theirs = await startReferenceBus({ elements: policy });
    onTestFinished(() => theirs.stop());
    const ours = await startBus({ config: sessionConfig('unix:path=@DIR@/bus', policy) });
    onTestFinished(() => ours.stop());
    expect(answers(ours.address)).toEqual(answers(theirs.address));
  });
});

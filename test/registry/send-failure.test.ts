// What a sender is told: a name and a text for each way in which a send can fail, as dbus-daemon has them.
import { expect, test } from 'vitest';
import { SendStatus } from '#core/index.js';
import { failureOf, shareUsedUp, userShareUsedUp } from '#bridge/registry/send-failure.js';

const ERROR = 'org.freedesktop.DBus.Error';
const FULL = 'The destination service has a full message queue';

test.each([
  [SendStatus.BadHandle, `${ERROR}.NameHasNoOwner`, 'The destination has left the bus'],
  [SendStatus.OverQuota, `${ERROR}.LimitsExceeded`, FULL],
  [
    SendStatus.NoDescriptors,
    `${ERROR}.NotSupported`,
    "Tried to send message with Unix file descriptors to a client that doesn't support that.",
  ],
])('status %i', (status, errorName, text) => {
  expect(failureOf(status)).toEqual([errorName, text]);
});

test('the limit is named where it is known', () => {
  expect(shareUsedUp('max_outgoing_bytes=1', 7)).toBe(
    `${FULL} (max_outgoing_bytes=1): uid 7 has used up its share of it`,
  );
  expect(userShareUsedUp('max=1', 7, 8)).toBe(
    `${FULL}: uid 8 has no room left for uid 7 (max=1, shared out)`,
  );
});

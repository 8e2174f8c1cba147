// The time of a line of the log.
import { expect, test } from 'vitest';
import { utcTime } from '#bridge/control/utc-time.js';

test.each(['1999-12-31T23:59:59.999Z', '2024-02-29T00:00:00.000Z', '0987-01-02T03:04:05.006Z'])(
  '%s is as Date.toISOString writes it',
  (text) => expect(utcTime(new Date(text))).toBe(text),
);

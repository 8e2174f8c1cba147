// How much of an outbox each sender may fill: users do not reduce each other's share, peers of one user do.
import { expect, test } from 'vitest';
import { ResourceUser, type Trace } from '#core/index.js';
import { Shares } from '#bridge/host/shares.js';

const LIMITS = { bytes: 1000, descriptors: 10 };
const ROOM = { objects: 1e9, bytes: 1e9, descriptors: 1e9 };
const ALL = { bytes: 1e9, descriptors: 1e9 };

/** Peers of the users named, all of which send to one user. */
function senders(...uids: number[]): Trace[] {
  const receiver = new ResourceUser(5, ROOM);
  return uids.map((uid) => receiver.claim(uid).trace());
}

/** Has `trace` add messages of this size until it may not; returns what it has then. */
function fill(shares: Shares, trace: Trace, size: number): number {
  let sum = 0;
  while (shares.limitReached(trace, size, LIMITS, ALL) === undefined) {
    shares.add(trace, size, 0);
    sum += size;
  }
  return sum;
}

test('a sender alone gets the limit, and exceeds it by its last message', () => {
  const shares = new Shares();
  expect(fill(shares, senders(6)[0], 300)).toBe(1200);
});

test('a message larger than the limit passes when nothing waits', () => {
  const shares = new Shares();
  expect(shares.limitReached(senders(6)[0], 5000, LIMITS, ALL)).toBeUndefined();
});

test('another user is not concerned', () => {
  const shares = new Shares();
  const [flooder, innocent] = senders(6, 8);
  fill(shares, flooder, 100);
  expect(shares.limitReached(flooder, 1, LIMITS, ALL)).toBe('bytes');
  expect(fill(shares, innocent, 300)).toBe(1200);
});

test('connections of one user get less and less, and the next one still gets through', () => {
  const shares = new Shares();
  const traces = senders(6, 6, 6, 6, 6, 6);
  const sums = traces.slice(0, -1).map((trace) => fill(shares, trace, 1));
  expect(sums).toEqual(sums.toSorted((a, b) => b - a));
  expect(sums.reduce((a, b) => a + b)).toBeLessThan(2 * LIMITS.bytes);
  expect(shares.limitReached(traces.at(-1)!, 10, LIMITS, ALL)).toBeUndefined();
});

test('descriptors are counted by themselves', () => {
  const shares = new Shares();
  const [flooder, innocent] = senders(6, 8);
  shares.add(flooder, 1, 11);
  expect(shares.limitReached(flooder, 1, LIMITS, ALL)).toBe('descriptors');
  expect(shares.limitReached(innocent, 1, LIMITS, ALL)).toBeUndefined();
});

test('what is given back can be used again, and what has been written does not count', () => {
  const shares = new Shares();
  const [trace] = senders(6);
  fill(shares, trace, 500);
  expect(shares.limitReached(trace, 1, LIMITS, { bytes: 900, descriptors: 0 })).toBeUndefined();
  shares.remove(trace, 500, 0);
  expect(shares.limitReached(trace, 1, LIMITS, ALL)).toBeUndefined();
});

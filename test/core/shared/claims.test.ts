import { expect, test } from 'vitest';
import { ResourceUser, Slot } from '#core/index.js';
import { ChannelError } from '#core/shared/index.js';
import { IncomingTraces, type IncomingTrace } from '#core/shared/traces.js';

const MAXIMA = { objects: 1024, bytes: 1 << 20, descriptors: 64 };
const RECEIVER = 5;
const FLOODER = 6;
const BYSTANDER = 8;

/** A process of `uid` that has a channel to the one in which `user` is. */
function process(uid: number, user: ResourceUser): IncomingTrace {
  return new IncomingTraces(() => {}).of(1, uid, user);
}

/** Charges messages without a byte until there is no room; returns how many there were. */
function flood(trace: IncomingTrace): number {
  let count = 0;
  try {
    while (trace.charge(1, 0, 0)) count++;
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error;
  }
  return count;
}

test.each([1, 2, 12])(
  '%i processes of a uid have one claim: the next uid gets its share all the same',
  (count) => {
    const user = new ResourceUser(RECEIVER, MAXIMA);
    const flooders = Array.from({ length: count }, () => process(FLOODER, user));
    const taken = flooders.reduce((sum, flooder) => sum + flood(flooder), 0);
    expect(taken).toBeLessThanOrEqual(MAXIMA.objects / 4);
    expect(user.claim(FLOODER).used(Slot.Objects)).toBe(taken);
    expect(flood(process(BYSTANDER, user))).toBeGreaterThanOrEqual(42);
  },
);

test('processes of the user itself share what it has, to the last object', () => {
  const user = new ResourceUser(RECEIVER, MAXIMA);
  const taken = [1, 2, 3].reduce((sum) => sum + flood(process(RECEIVER, user)), 0);
  expect(taken).toBe(MAXIMA.objects);
});

test('a process that uses again what it has not been told was given back breaks the rules', () => {
  const user = new ResourceUser(RECEIVER, MAXIMA);
  const trace = process(RECEIVER, user);
  for (let i = 0; i < MAXIMA.objects; i++) {
    expect(trace.charge(1, 0, 0)).toBe(true);
    trace.trace.discharge(1, 0, 0);
  }
  expect(() => trace.charge(1, 0, 0)).toThrow(/more than its share of uid 5/);
  trace.reported();
  expect(trace.charge(1, 0, 0)).toBe(true);
});

import { expect, test } from 'vitest';
import { ResourceUser, Slot } from '#core/index.js';
import { ChannelError } from '#core/shared/index.js';
import { ROWS_ALWAYS, TRACES_MAX } from '#core/shared/layout.js';
import { IncomingTraces, type IncomingTrace } from '#core/shared/traces.js';
import { UidRows } from '#core/shared/uid-rows.js';

const MAXIMA = { objects: 1024, bytes: 1 << 20, descriptors: 64 };
const RECEIVER = 5;
const FLOODER = 6;
const BYSTANDER = 8;

/** The traces of a process of `uid`. */
function tracesOf(uid: number, rows = new UidRows(TRACES_MAX), isTrusted = false): IncomingTraces {
  const maker = { uid, isTrusted };
  return new IncomingTraces(
    () => {},
    rows,
    () => maker,
  );
}

/** A process of `uid` that has a channel to the one in which `user` is. */
function process(uid: number, user: ResourceUser): IncomingTrace {
  return tracesOf(uid).of(1, uid, user);
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

test('processes of a uid have so many traces together, each some of its own, and nobody else has less', () => {
  const user = new ResourceUser(RECEIVER, MAXIMA);
  const rows = new UidRows(TRACES_MAX);
  const use = (traces: IncomingTraces, uid: number, count: number): void => {
    for (let id = 1; id <= count; id++) traces.of(id, uid, user);
  };
  const [first, second] = [tracesOf(FLOODER, rows), tracesOf(FLOODER, rows)];
  use(first, FLOODER, TRACES_MAX);
  expect(() => first.of(TRACES_MAX + 1, FLOODER, user)).toThrow(ChannelError);
  use(second, FLOODER, ROWS_ALWAYS);
  expect(() => second.of(ROWS_ALWAYS + 1, FLOODER, user)).toThrow(ChannelError);
  use(tracesOf(BYSTANDER, rows), BYSTANDER, ROWS_ALWAYS + 1);
  use(tracesOf(FLOODER, rows, true), FLOODER, ROWS_ALWAYS + 1);
  first.close();
  second.of(ROWS_ALWAYS + 1, FLOODER, user);
  for (let id = 1; id <= ROWS_ALWAYS + 1; id++) second.end(id);
  use(tracesOf(FLOODER, rows), FLOODER, TRACES_MAX);
});

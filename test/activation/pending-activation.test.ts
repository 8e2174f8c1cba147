import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ActivationFailures } from '#bridge/driver/activation-failure.js';
import { PendingActivations } from '#bridge/activation/pending-activation.js';

const LIMITS = { maxParked: 512, timeoutMs: 25_000 };
const NOTHING = { exec: undefined, systemdUnit: undefined };
const FAILURE = ActivationFailures.childExited('x', 1);
const ERROR = 'org.freedesktop.DBus.Error';

describe('a name that is being activated', () => {
  test('is started by the first request and joined by the others, until it appears', () => {
    const pending = new PendingActivations<string>(LIMITS);
    expect(pending.park('x', 'first', NOTHING, 0)).toEqual({ kind: 'started' });
    expect(pending.park('x', 'second', NOTHING, 1)).toEqual({ kind: 'joined' });
    expect(pending.park('y', 'other', NOTHING, 2)).toEqual({ kind: 'started' });
    expect(pending.get('x')).toMatchObject({ parked: ['first', 'second'], deadlineMs: 25_000 });
    expect(pending.nameAppeared('x')).toEqual(['first', 'second']);
    expect(pending.nameAppeared('x')).toEqual([]);
    expect(pending.fail('x', FAILURE)).toEqual([]);
    expect(pending.park('x', 'third', NOTHING, 3)).toEqual({ kind: 'started' });
  });

  test('fails for everybody at once, and anew for those who come later', () => {
    const pending = new PendingActivations<string>(LIMITS);
    pending.park('x', 'first', NOTHING, 0);
    pending.park('x', 'second', NOTHING, 0);
    expect(pending.fail('x', FAILURE)).toEqual([
      { name: 'x', failure: FAILURE, parked: ['first', 'second'] },
    ]);
    expect(pending.park('x', 'third', NOTHING, 0)).toEqual({ kind: 'started' });
  });

  test('has a deadline, which the first request sets', () => {
    const pending = new PendingActivations<string>(LIMITS);
    pending.park('x', 'first', NOTHING, 1000);
    pending.park('x', 'second', NOTHING, 9000);
    pending.park('y', 'other', NOTHING, 5000);
    expect(pending.nextDeadlineMs()).toBe(26_000);
    expect(pending.expire(25_999)).toEqual([]);
    expect(pending.expire(26_000)).toEqual([
      {
        name: 'x',
        failure: {
          errorName: `${ERROR}.TimedOut`,
          message: "Failed to activate service 'x': timed out (service_start_timeout=25000ms)",
        },
        parked: ['first', 'second'],
      },
    ]);
    expect(pending.nextDeadlineMs()).toBe(30_000);
    pending.nameAppeared('y');
    expect(pending.nextDeadlineMs()).toBeUndefined();
  });

  test('goes on although those who asked have gone', () => {
    const pending = new PendingActivations<string>(LIMITS);
    pending.park('x', 'gone', NOTHING, 0);
    pending.park('y', 'stays', NOTHING, 0);
    expect(pending.withdraw((item) => item === 'gone')).toEqual(['gone']);
    expect(pending.parkedCount).toBe(1);
    expect(pending.park('x', 'later', NOTHING, 0)).toEqual({ kind: 'joined' });
    expect(pending.nameAppeared('x')).toEqual(['later']);
  });
});

describe('failures that concern several names', () => {
  const exec = (line: string) => ({ exec: line, systemdUnit: undefined });
  const unit = (name: string) => ({ exec: undefined, systemdUnit: name });

  test('a process fails the names that are to come from the same command line', () => {
    const pending = new PendingActivations<string>(LIMITS);
    pending.park('a', '1', exec('/bin/program'), 0);
    pending.park('b', '2', exec('/bin/program'), 0);
    pending.park('c', '3', exec('/bin/program --other'), 0);
    pending.park('d', '4', NOTHING, 0);
    pending.park('e', '5', NOTHING, 0);
    expect(pending.failProcess('b', FAILURE).map(({ name }) => name)).toEqual(['a', 'b']);
    expect(pending.failProcess('d', FAILURE).map(({ name }) => name)).toEqual(['d']);
    expect(pending.failProcess('unknown', FAILURE)).toEqual([]);
    expect(pending.parkedCount).toBe(2);
  });

  test('it may turn out later what is being started for a name', () => {
    const pending = new PendingActivations<string>(LIMITS);
    pending.park('a', '1', NOTHING, 0);
    pending.retarget('a', unit('one.service'));
    pending.retarget('unknown', unit('one.service'));
    expect(pending.failUnit('one.service', FAILURE).map(({ name }) => name)).toEqual(['a']);
  });

  test('a unit fails the names it was to provide', () => {
    const pending = new PendingActivations<string>(LIMITS);
    pending.park('a', '1', unit('one.service'), 0);
    pending.park('b', '2', unit('two.service'), 0);
    pending.park('c', '3', unit('one.service'), 0);
    expect(pending.failUnit('one.service', FAILURE).map(({ name }) => name)).toEqual(['a', 'c']);
    expect(pending.failUnit('one.service', FAILURE)).toEqual([]);
  });
});

test('max_pending_service_starts counts what is parked', () => {
  const pending = new PendingActivations<number>({ ...LIMITS, maxParked: 2 });
  pending.park('x', 1, NOTHING, 0);
  pending.park('x', 2, NOTHING, 0);
  expect(pending.park('y', 3, NOTHING, 0)).toEqual({
    kind: 'refused',
    failure: {
      errorName: `${ERROR}.LimitsExceeded`,
      message:
        'The maximum number of pending activations has been reached, activation of y failed ' +
        '(max_pending_service_starts=2)',
    },
  });
  pending.setLimits({ ...LIMITS, maxParked: 3 });
  expect(pending.park('y', 3, NOTHING, 0)).toEqual({ kind: 'started' });
});

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

test(`whatever happens, each item comes back exactly once (SEED=${seed})`, () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const target = fc.record({
    exec: fc.constantFrom(undefined, '/bin/one', '/bin/two'),
    systemdUnit: fc.constantFrom(undefined, 'one.service'),
  });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('park' as const), name, target }) },
    fc.record({
      kind: fc.constantFrom('appear' as const, 'fail' as const, 'process' as const),
      name,
    }),
    fc.record({ kind: fc.constant('unit' as const) }),
    fc.record({ kind: fc.constant('expire' as const) }),
    fc.record({ kind: fc.constant('withdraw' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const pending = new PendingActivations<number>({ maxParked: 9, timeoutMs: 10 });
      const parked: number[] = [];
      const back: number[] = [];
      const take = (failed: readonly { parked: readonly number[] }[]): void =>
        failed.forEach((each) => back.push(...each.parked));
      for (const [nowMs, event] of steps.entries()) {
        if (event.kind === 'park') {
          const { kind } = pending.park(event.name, nowMs, event.target, nowMs);
          if (kind !== 'refused') parked.push(nowMs);
        } else if (event.kind === 'appear') back.push(...pending.nameAppeared(event.name));
        else if (event.kind === 'fail') take(pending.fail(event.name, FAILURE));
        else if (event.kind === 'process') take(pending.failProcess(event.name, FAILURE));
        else if (event.kind === 'unit') take(pending.failUnit('one.service', FAILURE));
        else if (event.kind === 'expire') take(pending.expire(nowMs));
        else back.push(...pending.withdraw((item) => item % 3 === 0));
        expect(pending.parkedCount).toBe(parked.length - back.length);
      }
      take(pending.expire(Infinity));
      expect(back.toSorted((a, b) => a - b)).toEqual(parked);
      expect(pending.parkedCount).toBe(0);
    }),
    { seed, numRuns: 500 },
  );
});

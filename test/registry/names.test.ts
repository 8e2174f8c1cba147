import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RequestNameFlag, RequestNameReply } from '#bridge/registry/name-queue.js';
import { Names } from '#bridge/registry/names.js';
import { hasReferenceBus } from '../activation/reference-bus.js';
import { NaiveNames } from './naive-names.js';
import { replayOnReferenceBus } from './names-on-reference-bus.js';
import type { NameOperation } from './names-on-reference-bus.js';

const ALLOW = RequestNameFlag.AllowReplacement;
const REPLACE = RequestNameFlag.ReplaceExisting;
const NO_QUEUE = RequestNameFlag.DoNotQueue;
const NAME = 'org.example.Name';

/**
 * a:1 is "a requests the name with flags 1", -a is "a releases it", the digit after = is the
 * expected reply.
 */
const CONVERSATIONS: readonly { title: string; steps: string; queue: string }[] = [
  { title: 'a free name is taken', steps: 'a:0=1', queue: 'a' },
  { title: 'a free name is taken even without queueing', steps: 'a:4=1', queue: 'a' },
  { title: 'the owner asks again', steps: 'a:0=1 a:7=4', queue: 'a' },
  { title: 'others wait in order', steps: 'a:0=1 b:0=2 c:0=2', queue: 'abc' },
  { title: 'waiting is refused', steps: 'a:0=1 b:4=3', queue: 'a' },
  { title: 'replacing needs both sides: asked only', steps: 'a:0=1 b:6=3', queue: 'a' },
  { title: 'replacing needs both sides: allowed only', steps: 'a:1=1 b:4=3 b:0=2', queue: 'ab' },
  { title: 'the replaced owner waits next in line', steps: 'a:1=1 c:0=2 b:2=1', queue: 'bac' },
  { title: 'the replaced owner is dropped', steps: 'a:5=1 c:0=2 b:2=1', queue: 'bc' },
  { title: 'a waiting owner replaces', steps: 'a:1=1 b:0=2 c:0=2 c:2=1', queue: 'cab' },
  { title: 'an impatient one jumps the queue', steps: 'a:0=1 b:0=2 c:2=2', queue: 'acb' },
  { title: 'asking again keeps the place', steps: 'a:0=1 b:0=2 c:0=2 b:1=2', queue: 'abc' },
  { title: 'asking again to replace moves up', steps: 'a:0=1 b:0=2 c:0=2 c:2=2', queue: 'acb' },
  { title: 'refusing to wait leaves the queue', steps: 'a:0=1 b:0=2 b:4=3', queue: 'a' },
  { title: 'flags can be changed by the owner', steps: 'a:0=1 a:1=4 b:2=1', queue: 'ba' },
  {
    title: 'flags can be changed while waiting',
    steps: 'a:0=1 b:0=2 b:1=2 -a=1 c:2=1',
    queue: 'cb',
  },
  { title: 'the next in line inherits', steps: 'a:0=1 b:0=2 c:0=2 -a=1', queue: 'bc' },
  { title: 'a waiting one withdraws', steps: 'a:0=1 b:0=2 c:0=2 -b=1', queue: 'ac' },
  { title: 'releasing what nobody has', steps: '-a=2', queue: '' },
  { title: 'releasing what another has', steps: 'a:0=1 -b=3', queue: 'a' },
  { title: 'the last one leaves', steps: 'a:0=1 -a=1 -a=2', queue: '' },
  { title: 'unknown flags are ignored', steps: 'a:4294967288=1 b:2=2', queue: 'ab' },
];

function play(names: Names<string>, step: string): void {
  const parsed = /^(?<release>-?)(?<owner>[a-z]):?(?<flags>\d*)=(?<reply>\d)$/.exec(step)?.groups;
  if (parsed === undefined) throw new Error(`no such step: ${step}`);
  const { reply } = parsed.release
    ? names.release(NAME, parsed.owner)
    : names.request(NAME, parsed.owner, Number(parsed.flags));
  expect({ step, reply }).toEqual({ step, reply: Number(parsed.reply) });
}

describe('RequestName and ReleaseName', () => {
  test.each(CONVERSATIONS)('$title: $steps', ({ steps, queue }) => {
    const names = new Names<string>();
    for (const step of steps.split(' ')) play(names, step);
    expect(names.queuedOwners(NAME).join('')).toBe(queue);
    expect(names.primary(NAME)).toBe(queue[0]);
  });

  test('a change is reported only when the primary owner changes', () => {
    const names = new Names<string>();
    const changed = (oldOwner?: string, newOwner?: string) => ({ name: NAME, oldOwner, newOwner });
    expect(names.request(NAME, 'a', ALLOW).change).toEqual(changed(undefined, 'a'));
    expect(names.request(NAME, 'b', 0)).toEqual({ reply: RequestNameReply.InQueue });
    expect(names.request(NAME, 'a', ALLOW)).toEqual({ reply: RequestNameReply.AlreadyOwner });
    expect(names.request(NAME, 'c', REPLACE | NO_QUEUE).change).toEqual(changed('a', 'c'));
    expect(names.release(NAME, 'b')).toEqual({ reply: 1 });
    expect(names.release(NAME, 'c').change).toEqual(changed('c', 'a'));
    expect(names.release(NAME, 'a').change).toEqual(changed('a', undefined));
  });
});

describe('an owner that goes away', () => {
  test('gives up the name it joined last first', () => {
    const names = new Names<string>();
    names.request('x.first', 'a', 0);
    names.request('x.second', 'b', 0);
    names.request('x.second', 'a', 0);
    names.request('x.third', 'a', 0);
    names.request('x.third', 'b', 0);
    expect(names.namesOf('a')).toEqual(['x.first', 'x.third']);
    expect(names.queuedNamesOf('a')).toEqual(['x.second']);
    expect(names.joinedCount('a')).toBe(3);
    expect(names.releaseAll('a')).toEqual([
      { name: 'x.third', oldOwner: 'a', newOwner: 'b' },
      { name: 'x.first', oldOwner: 'a', newOwner: undefined },
    ]);
    expect(names.joinedCount('a')).toBe(0);
    expect(names.list()).toEqual(['x.second', 'x.third']);
  });

  test('leaves nothing behind when it is the last', () => {
    const names = new Names<string>();
    names.request(NAME, 'a', 0);
    names.releaseAll('a');
    expect([names.list(), names.queuedOwners(NAME), names.releaseAll('a')]).toEqual([[], [], []]);
  });
});

const OWNERS = ['a', 'b', 'c'];
const NAMES = ['org.example.One', 'org.example.Two', 'org.example.Three'];
const operations: fc.Arbitrary<NameOperation> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      owner: fc.constantFrom(...OWNERS),
      name: fc.constantFrom(...NAMES),
      flags: fc.integer({ min: 0, max: 7 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('release' as const),
      owner: fc.constantFrom(...OWNERS),
      name: fc.constantFrom(...NAMES),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('disconnect' as const),
      owner: fc.constantFrom(...OWNERS),
    }),
  },
);

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

describe(`random histories (SEED=${seed})`, () => {
  test('agree with a naive model that keeps only lists', () => {
    const history = fc.array(operations, { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(history, (steps) => {
        const names = new Names<string>();
        const model = new NaiveNames();
        for (const step of steps) {
          expect(perform(names, step)).toEqual(model.perform(step));
          for (const name of NAMES) expect(names.queuedOwners(name)).toEqual(model.queue(name));
          expect(names.list().toSorted()).toEqual(model.list());
        }
      }),
      { seed, numRuns: 300 },
    );
  });

  test.runIf(hasReferenceBus)('agree with dbus-daemon', async () => {
    const steps = fc.sample(operations, { seed, numRuns: 300 });
    const observed = await replayOnReferenceBus(steps, OWNERS, NAMES);
    const names = new Names<string>();
    steps.forEach((step, index) => {
      const seen = {
        ...perform(names, step),
        queues: NAMES.map((name) => names.queuedOwners(name)),
      };
      expect({ index, step, ...seen }).toEqual({ index, step, ...observed[index] });
    });
  });
});

function perform(names: Names<string>, step: NameOperation): { reply: number; changes: unknown[] } {
  if (step.kind === 'disconnect') return { reply: 0, changes: names.releaseAll(step.owner) };
  const { reply, change } =
    step.kind === 'request'
      ? names.request(step.name, step.owner, step.flags)
      : names.release(step.name, step.owner);
  return { reply, changes: change === undefined ? [] : [change] };
}

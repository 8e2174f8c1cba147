import { openSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Poller } from '#bridge/host/poller.js';
import { Effort, EffortOf } from '#bridge/host/turn-share.js';
import { closeFd, socketPair } from '#core/linux/index.js';

let poller: Poller;
let near: number;
let far: number;
let told: string[];

beforeEach(() => {
  poller = new Poller((_, error) => {
    throw error;
  });
  [near, far] = socketPair();
  told = [];
});

afterEach(() => {
  poller.close(near);
  poller.bury();
  closeFd(far);
});

const endpoint = () => ({
  fd: near,
  readable: () => void told.push('readable'),
  writable: () => void told.push('writable'),
});

/** What the endpoint is told of in one turn. */
function turn(): string[] {
  told = [];
  poller.serve(poller.wait(0));
  return told.toSorted();
}

test('an endpoint is told of what it is interested in, whatever else it was interested in before', () => {
  poller.watch(endpoint());
  expect(turn()).toEqual([]);
  writeSync(far, 'x');
  expect(turn()).toEqual(['readable']);
  poller.setReading(near, false);
  expect(turn()).toEqual([]);
  poller.setWriting(near, true);
  expect(turn()).toEqual(['writable']);
  poller.setReading(near, true);
  expect(turn()).toEqual(['readable', 'writable']);
  poller.setWriting(near, false);
  expect(turn()).toEqual(['readable']);
});

test.each([
  ['watched', () => poller.watch(endpoint()), ['readable']],
  ['left alone', () => poller.ignore(near), []],
  ['not read', () => poller.setReading(near, false), []],
  ['not written to', () => poller.setWriting(near, false), ['readable']],
])('%s twice is as good as once', (_, act, expected) => {
  poller.watch(endpoint());
  writeSync(far, 'x');
  act();
  act();
  expect(turn()).toEqual(expected);
});

test('one that is not read is told of a hang-up, unless it is silenced until it is read again', () => {
  poller.watch(endpoint());
  poller.setReading(near, false);
  closeFd(far);
  far = openSync('/dev/null', 'r');
  expect([turn(), turn()]).toEqual([['readable'], ['readable']]);
  poller.silence(near);
  poller.silence(near);
  expect(turn()).toEqual([]);
  poller.setReading(near, true);
  expect(turn()).toEqual(['readable']);
});

test('one that was accepted is read once, after those that were ready before it, and watched from then on', () => {
  const [door, visitor] = socketPair();
  const [other, writer] = socketPair();
  poller.watch({
    fd: door,
    readable() {
      told.push('door');
      poller.ignore(door);
      poller.expect({ ...endpoint(), isEdgeTriggered: true });
    },
  });
  poller.watch({ fd: other, isEdgeTriggered: true, readable: () => void told.push('other') });
  writeSync(visitor, 'x');
  writeSync(writer, 'x');
  poller.serve(poller.wait(0));
  expect(told).toEqual(['door', 'other', 'readable']);
  expect(turn()).toEqual([]);
  writeSync(far, 'x');
  expect(turn()).toEqual(['readable']);
  for (const fd of [door, other]) poller.close(fd);
  for (const fd of [visitor, writer]) closeFd(fd);
});

test('one that is given up when it is read for the first time is not watched', () => {
  poller.expect({ fd: near, isEdgeTriggered: true, readable: () => poller.ignore(near) });
  expect(poller.hasUnfinished).toBe(true);
  expect(turn()).toEqual([]);
  expect(poller.hasUnfinished).toBe(false);
  writeSync(far, 'x');
  expect(turn()).toEqual([]);
});

test('one that was closed stays so, and its number can be used again', () => {
  poller.watch(endpoint());
  poller.close(near);
  poller.setReading(near, true);
  poller.setWriting(near, true);
  poller.bury();
  closeFd(far);
  const others: number[] = [];
  let pair = socketPair();
  for (; !pair.includes(near); pair = socketPair()) others.push(...pair);
  far = pair[0] === near ? pair[1] : pair[0];
  for (const fd of others) closeFd(fd);
  poller.watch(endpoint());
  writeSync(far, 'x');
  expect(turn()).toEqual(['readable']);
});

test('what was put off takes turns: at least one in each, and as many as there is room for', () => {
  const effort = new Effort();
  const whole = EffortOf.DriverMessage * 64;
  const costs = [whole * 2, 1, whole, 1, 1];
  const heavy = {
    ...endpoint(),
    resume() {
      const cost = costs.shift()!;
      told.push(String(cost));
      effort.spent += cost;
    },
  };
  poller.watch(heavy);
  costs.forEach(() => poller.putOff(heavy));
  const turns = [1, 2, 3].map(() => {
    told = [];
    effort.beginTurn();
    poller.resume(effort);
    return told.map(Number);
  });
  expect(turns).toEqual([[whole * 2], [1, whole], [1, 1]]);
  expect(poller.hasUnfinished).toBe(false);
});

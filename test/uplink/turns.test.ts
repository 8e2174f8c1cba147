import { expect, test } from 'vitest';
import { Turns } from '#bridge/uplink/turns.js';

test('tasks for one key wait for each other, those for others do not', () => {
  const turns = new Turns();
  const order: string[] = [];
  let endFirst = (): void => {};
  turns.take('a', (end) => {
    order.push('first');
    endFirst = end;
  });
  turns.take('a', (end) => {
    order.push('second');
    end();
  });
  turns.take('b', (end) => {
    order.push('other');
    end();
  });
  expect(order).toEqual(['first', 'other']);
  endFirst();
  expect(order).toEqual(['first', 'other', 'second']);
  turns.take('a', () => order.push('third'));
  expect(order.at(-1)).toBe('third');
});

test('a hundred thousand that end at once do not exhaust the stack', () => {
  const turns = new Turns();
  let endFirst = (): void => {};
  let count = 0;
  turns.take('a', (end) => (endFirst = end));
  for (let i = 0; i < 100_000; i++) {
    turns.take('a', (end) => {
      count++;
      end();
    });
  }
  endFirst();
  expect(count).toBe(100_000);
});

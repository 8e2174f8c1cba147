// What is logged for a user, of a kind: a few lines, then how many were left out.
import { beforeEach, expect, test } from 'vitest';
import { Deadlines } from '#bridge/host/deadlines.js';
import { LogBudget } from '#bridge/host/log-budget.js';

let lines: [string, string, unknown][];
let deadlines: Deadlines;
let budget: LogBudget;
beforeEach(() => {
  lines = [];
  deadlines = new Deadlines();
  budget = new LogBudget((...line) => void lines.push(line), deadlines);
});

const none = () => ({});
const complain = (uid: number | undefined, text: string): void =>
  budget.log('notice', text, uid, none);

test('twenty lines of a kind, and then the number of the others', () => {
  for (let i = 0; i < 1000; i++) complain(6, `connection refused: attempt ${i} of "me${i}"`);
  expect(lines).toHaveLength(20);
  deadlines.runDue(performance.now() + 11_000);
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toEqual([
    'notice',
    '980 similar lines suppressed: connection refused: attempt … of …',
    { uid: 6, leftOut: 980 },
  ]);
});

test('another user and another kind have budgets of their own', () => {
  for (let i = 0; i < 100; i++) complain(6, 'a');
  complain(7, 'a');
  complain(6, 'b');
  complain(undefined, 'process 3 of uid 9 was expelled');
  expect(lines.slice(20).map(([, text]) => text)).toEqual([
    'a',
    'b',
    'process 3 of uid 9 was expelled',
  ]);
});

test.each([
  [
    'kinds of one user',
    (i: number) => complain(6, 'x'.repeat(1 + (i % 119)) + String.fromCodePoint(0x4e00 + i)),
  ],
  ['users', (i: number) => complain(i, 'a')],
])('%s without number do not make the log or the table grow without end', (_, cause) => {
  for (let i = 0; i < 20_000; i++) cause(i);
  expect(lines.length).toBeLessThan(1500);
});

test('fields are not made for a line that is left out', () => {
  let made = 0;
  for (let i = 0; i < 100; i++) budget.log('info', 'a', 6, () => ({ made: made++ }));
  expect(made).toBe(20);
});

test('a user that goes on has longer and longer periods, one that stops is forgotten', () => {
  for (let i = 0; i < 100; i++) complain(6, 'a');
  deadlines.runDue(performance.now() + 11_000);
  for (let i = 0; i < 100; i++) complain(6, 'a');
  expect(lines).toHaveLength(41);
  deadlines.runDue(performance.now() + 11_000);
  expect(lines).toHaveLength(41);
  deadlines.runDue(performance.now() + 31_000);
  expect(lines).toHaveLength(42);
  deadlines.runDue(performance.now() + 10_000_000);
  expect(deadlines.isEmpty).toBe(true);
});

import { expect, test } from 'vitest';
import { ReloadRequests } from '#bridge/host/bus-settings.js';

test('calls of ReloadConfig during a reload share the next one', () => {
  let asked = 0;
  const requests = new ReloadRequests(() => asked++);
  const answers: string[] = [];
  const call = (name: string): void =>
    requests.add((failure) => answers.push(`${name}: ${failure?.message ?? 'done'}`));

  call('first');
  for (let i = 0; i < 1000; i++) call('later');
  expect(asked).toBe(1);
  requests.answer(undefined);
  expect(answers).toEqual(['first: done']);
  expect(asked).toBe(2);

  requests.answer({ errorName: 'org.freedesktop.DBus.Error.Failed', message: 'broken' });
  expect(answers).toHaveLength(1001);
  expect(answers.at(-1)).toBe('later: broken');
  expect(asked).toBe(2);

  call('alone');
  expect(asked).toBe(3);
});

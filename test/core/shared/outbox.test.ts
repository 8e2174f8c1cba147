import { expect, test } from 'vitest';
import { EntryType, RELEASE_BYTES } from '#core/shared/layout.js';
import { RingOutbox } from '#core/shared/ring-outbox.js';

/** 64 MiB and 96 MiB, at 512 bytes of this process's memory for each small entry (layout.ts). */
const ENTRIES_BEFORE_REFUSAL = 2 ** 17;
const ENTRIES_BEFORE_THE_END = 3 * 2 ** 16;

test('what waits for a process that reads nothing: first no message is added, then it is given up', () => {
  const outbox = new RingOutbox();
  const open = (count: number) => {
    for (let i = 0; i < count; i++) outbox.open(EntryType.Release, RELEASE_BYTES);
  };
  open(ENTRIES_BEFORE_REFUSAL);
  expect(outbox.hasRoom).toBe(true);
  open(1);
  expect([outbox.hasRoom, outbox.isGivenUp]).toEqual([false, false]);
  open(ENTRIES_BEFORE_THE_END - ENTRIES_BEFORE_REFUSAL);
  expect(outbox.isGivenUp).toBe(true);
  outbox.close();
  expect([outbox.hasRoom, outbox.isGivenUp]).toEqual([true, false]);
});

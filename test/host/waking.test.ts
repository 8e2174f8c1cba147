import { expect, test } from 'vitest';
import type { Shim } from '#bridge/host/shim.js';
import { Waking } from '#bridge/host/waking.js';

/** Stands for a connection; what it does in its turn is given by `act`. */
function connection(
  turns: string[],
  name: string,
  act: { goOn?(): void; readable?(): void },
): Shim {
  const shim = {
    live: true,
    isWoken: false,
    unreadAt: 0,
    goOn: () => {
      turns.push(`${name} goes on`);
      act.goOn?.();
    },
    readable: () => {
      if (shim.isWoken) return;
      turns.push(`${name} reads`);
      shim.unreadAt = 0;
      act.readable?.();
    },
  };
  return shim as unknown as Shim;
}

test.each(['goOn', 'readable'] as const)(
  'what a connection waits for next may arrive during %s of another one: it goes on once more',
  (moment) => {
    const waking = new Waking();
    const turns: string[] = [];
    const waiting = connection(turns, 'the waiting one', {});
    const other = connection(turns, 'the other', { [moment]: () => waking.add(waiting) });
    for (const shim of [other, waiting]) waking.noteUnread(shim);
    for (const shim of [waiting, other]) waking.add(shim);
    waking.run();
    expect(waking.isEmpty).toBe(false);
    waking.run();
    expect(waking.isEmpty).toBe(true);
    expect(turns).toEqual([
      'the waiting one goes on',
      'the other goes on',
      'the other reads',
      'the waiting one goes on',
      'the waiting one reads',
    ]);
  },
);

test('a connection reads nothing that has arrived before it has gone on', () => {
  const waking = new Waking();
  const turns: string[] = [];
  const shim = connection(turns, 'it', { goOn: () => waking.noteUnread(shim) });
  waking.add(shim);
  waking.add(shim);
  waking.run();
  expect(turns).toEqual(['it goes on', 'it reads']);
  expect(waking.isEmpty).toBe(true);
});

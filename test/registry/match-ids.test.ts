import { describe, expect, it } from 'vitest';
import { MatchIds } from '#bridge/registry/match-ids.js';
import { Random } from '../core/random.js';

describe('the match ids of a connection', () => {
  it.each([1, 2, 3])('are those that were added and not removed (seed %d)', (seed) => {
    const random = new Random(seed);
    const ids = new MatchIds();
    const held = new Set<number>();
    for (let step = 0; step < 5000; step++) {
      const id = random.below(12);
      if (held.delete(id)) ids.remove(id);
      else {
        held.add(id);
        ids.add(id);
      }
      expect(ids.list.toSorted((a, b) => a - b)).toEqual([...held].toSorted((a, b) => a - b));
    }
  });

  it.each([
    ['no id', []],
    ['one id', [1]],
    ['several ids', [1, 2, 3]],
  ])('refuse to remove an id that is not among %s', (_, list) => {
    const ids = new MatchIds();
    for (const id of list) ids.add(id);
    expect(() => ids.remove(7)).toThrow(RangeError);
    expect(ids.list).toEqual(list);
  });
});

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { emptyList, WIDE_ZERO } from '#core/stable-shape.js';

interface Shapes {
  readonly hasObjects: (list: readonly unknown[]) => boolean;
  readonly haveSame: (one: object, other: object) => boolean;
}

/** The syntax stays allowed: V8 parses a function again when it is first called. */
function shapes(): Shapes {
  setFlagsFromString('--allow-natives-syntax');
  return runInNewContext(`({
    hasObjects: (list) => %HasObjectElements(list),
    haveSame: (one, other) => %HaveSameMap(one, other),
  })`);
}

const { hasObjects, haveSame } = shapes();

test('an empty list has its shape before the first object is added', () => {
  expect(hasObjects([])).toBe(false);
  expect(hasObjects(emptyList())).toBe(true);
  expect(emptyList()).toEqual([]);
});

test.each([
  [0, false],
  [WIDE_ZERO, true],
])('a counter that began at %d passes 2^31: it keeps its shape is %s', (zero, keeps) => {
  const counterOf = (count: number): { count: number } => ({ count });
  const one = counterOf(zero);
  const other = counterOf(zero);
  other.count += 2 ** 31;
  expect(haveSame(one, other)).toBe(keeps);
  expect(other.count).toBe(2 ** 31);
});

// In which order names move: whatever depends on something comes before it, and what depends on each other together.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { movingOrder } from '#bridge/cli/moving-order.js';

const graph = (edges: Record<string, string>): Map<string, Set<string>> =>
  new Map(Object.entries(edges).map(([name, needed]) => [name, new Set(needed.split(''))]));

test.each([
  ['nothing', {}, []],
  ['a chain', { a: 'b', b: 'c', c: '' }, ['a', 'b', 'c']],
  ['leaves in alphabetical order', { c: '', b: '', a: '' }, ['a', 'b', 'c']],
  ['two that share a third', { z: '', a: 'z', y: 'z' }, ['a', 'y', 'z']],
  ['a cycle', { a: 'b', b: 'a', c: 'a' }, ['c', 'ab']],
  ['a cycle in the middle', { a: 'b', b: 'c', c: 'bd', d: '' }, ['a', 'bc', 'd']],
  ['what is not to be moved', { a: 'x' }, ['a']],
])('%s', (_what, edges, order) => {
  expect(movingOrder(graph(edges)).map((group) => group.join(''))).toEqual(order);
});

/** Which lead to which, over any number of steps. */
function reachable(count: number, edges: readonly (readonly [number, number])[]): boolean[][] {
  const leads = Array.from({ length: count }, (_, i) =>
    Array.from({ length: count }, (_v, k) => i === k),
  );
  for (const [from, to] of edges) leads[from][to] = true;
  for (let via = 0; via < count; via++) {
    for (let from = 0; from < count; from++) {
      for (let to = 0; to < count; to++) {
        leads[from][to] ||= leads[from][via] && leads[via][to];
      }
    }
  }
  return leads;
}

test('random dependencies', () => {
  const graphs = fc.integer({ min: 1, max: 12 }).chain((count) => {
    const node = fc.integer({ min: 0, max: count - 1 });
    return fc.tuple(fc.constant(count), fc.array(fc.tuple(node, node), { maxLength: 30 }));
  });
  const check = ([count, edges]: [number, [number, number][]]): void => {
    const all = Array.from({ length: count }, (_, i) => String(i));
    const needs = new Map(all.map((name) => [name, new Set<string>()]));
    for (const [from, to] of edges) needs.get(String(from))!.add(String(to));
    const order = movingOrder(needs);
    expect(order.flat().toSorted()).toEqual(all.toSorted());
    const place = all.map((name) => order.findIndex((group) => group.includes(name)));
    const leads = reachable(count, edges);
    for (let one = 0; one < count; one++) {
      for (let other = 0; other < count; other++) {
        const isMutual = leads[one][other] && leads[other][one];
        expect(place[one] === place[other]).toBe(isMutual);
        expect(leads[one][other] && place[one] > place[other]).toBe(false);
      }
    }
  };
  fc.assert(fc.property(graphs, check), { numRuns: 300 });
});

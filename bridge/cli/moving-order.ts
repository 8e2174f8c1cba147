/** Which names depend on which. */
export type Dependencies = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Groups of names, in an order in which each comes before those that it depends on; names that depend on each other
 * are in one group. Otherwise the order is alphabetical.
 */
export function movingOrder(dependencies: Dependencies): string[][] {
  const groups = groupsOf(dependencies);
  const groupOf = new Map(groups.flatMap((group) => group.map((name) => [name, group] as const)));
  const dependents = new Map(groups.map((group) => [group, 0]));
  const needs = new Map(groups.map((group) => [group, needsOf(group, dependencies, groupOf)]));
  for (const needed of needs.values()) {
    for (const group of needed) dependents.set(group, (dependents.get(group) ?? 0) + 1);
  }
  const order: string[][] = [];
  while (dependents.size > 0) {
    const ready = [...dependents].filter(([, count]) => count === 0).map(([group]) => group);
    const next = ready.reduce((one, other) => ((other[0] ?? '') < (one[0] ?? '') ? other : one));
    dependents.delete(next);
    for (const group of needs.get(next) ?? []) dependents.set(group, dependents.get(group)! - 1);
    order.push(next);
  }
  return order;
}

/** The other groups that something in this one depends on. */
function needsOf(
  group: readonly string[],
  dependencies: Dependencies,
  groupOf: ReadonlyMap<string, string[]>,
): Set<string[]> {
  const needed = new Set<string[]>();
  for (const name of group) {
    for (const other of dependencies.get(name) ?? []) {
      const its = groupOf.get(other);
      if (its !== undefined && its !== group) needed.add(its);
    }
  }
  return needed;
}

/** The strongly connected components (Tarjan 1972), each in alphabetical order. */
function groupsOf(dependencies: Dependencies): string[][] {
  const groups: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const isOpen = new Set<string>();

  const lower = (name: string, value: number): void => {
    low.set(name, Math.min(low.get(name)!, value));
  };
  const visit = (name: string): void => {
    index.set(name, index.size);
    low.set(name, index.get(name)!);
    stack.push(name);
    isOpen.add(name);
    for (const other of dependencies.get(name) ?? []) {
      if (!dependencies.has(other)) continue;
      if (!index.has(other)) {
        visit(other);
        lower(name, low.get(other)!);
      } else if (isOpen.has(other)) lower(name, index.get(other)!);
    }
    if (low.get(name) === index.get(name)) groups.push(close(name));
  };
  const close = (name: string): string[] => {
    const group = stack.splice(stack.indexOf(name));
    for (const one of group) isOpen.delete(one);
    return group.toSorted();
  };

  for (const name of [...dependencies.keys()].toSorted()) if (!index.has(name)) visit(name);
  return groups;
}

import type { IntrospectedInterface, IntrospectedNode } from './introspection.js';

/** Interfaces by their names. */
export type KnownInterfaces = ReadonlyMap<string, IntrospectedInterface>;

/**
 * The interfaces of nodes and of all nodes inside them. Merges what several objects declare for the
 * same interface: one may lack members that another has.
 */
export function interfacesIn(nodes: readonly IntrospectedNode[]): KnownInterfaces {
  const found = new Map<string, IntrospectedInterface>();
  const add = (node: IntrospectedNode): void => {
    for (const one of node.interfaces) {
      const earlier = found.get(one.name);
      found.set(one.name, earlier === undefined ? one : together(earlier, one));
    }
    for (const child of node.children) add(child);
  };
  for (const node of nodes) add(node);
  return found;
}

function together(one: IntrospectedInterface, other: IntrospectedInterface): IntrospectedInterface {
  return {
    ...one,
    methods: union(one.methods, other.methods),
    signals: union(one.signals, other.signals),
    properties: union(one.properties, other.properties),
  };
}

function union<Member extends { readonly name: string }>(
  members: readonly Member[],
  others: readonly Member[],
): readonly Member[] {
  const names = new Set(members.map(({ name }) => name));
  const added = others.filter(({ name }) => !names.has(name));
  return added.length === 0 ? members : [...members, ...added];
}

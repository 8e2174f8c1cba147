import { isDeepStrictEqual } from 'node:util';

import type {
  IntrospectedInterface,
  IntrospectedNode,
} from '#bridge/introspection/introspection.js';
import { INTROSPECTABLE, PEER, PROPERTIES } from '#bridge/wire/standard-names.js';

/** A node that was introspected, and its name in errors. */
export interface IntrospectionSource {
  readonly source: string;
  readonly node: IntrospectedNode;
}

/** The reason why nothing can be generated. */
export class GenerateError extends Error {
  readonly code = 'GENERATE';

  constructor(message: string) {
    super(message);
    this.name = 'GenerateError';
  }
}

/** These are part of D-Bus itself: a proxy and a service have them without any description. */
const STANDARD_INTERFACES = new Set([INTROSPECTABLE, PEER, PROPERTIES]);

/**
 * The interfaces of all sources and of the nodes in them, each once, in the order of their names.
 * `wanted`, unless empty, leaves only those. Throws {@link GenerateError} if one of them is missing, if
 * none are left, or if two sources disagree about one.
 */
export function selectInterfaces(
  sources: readonly IntrospectionSource[],
  wanted: readonly string[] = [],
): IntrospectedInterface[] {
  const found = collect(sources);
  const names = wanted.length > 0 ? wanted : [...found.keys()].filter(isNotStandard);
  const missing = names.find((name) => !found.has(name));
  const places = sources.map(({ source }) => source).join(', ');
  if (missing !== undefined) {
    const there = [...found.keys()].toSorted().join(', ') || 'none';
    throw new GenerateError(`${places}: no interface "${missing}"; available: ${there}`);
  }
  if (names.length === 0) {
    throw new GenerateError(`${places}: only the standard interfaces that every D-Bus object has`);
  }
  const chosen = [...new Set(names)].toSorted().map((name) => found.get(name)!);
  const disputed = chosen.find(({ dispute }) => dispute !== undefined);
  if (disputed?.dispute !== undefined) throw new GenerateError(disputed.dispute);
  return chosen.map(({ description }) => description);
}

/** Whether any of the sources describes an interface of this name. */
export function isDescribed(name: string, sources: readonly IntrospectionSource[]): boolean {
  return sources.some(({ node }) => interfacesIn(node).some((one) => one.name === name));
}

function isNotStandard(name: string): boolean {
  return !STANDARD_INTERFACES.has(name);
}

interface Found {
  readonly description: IntrospectedInterface;
  readonly source: string;
  /** how another source contradicts, which matters where the interface is wanted */
  dispute?: string;
}

function collect(sources: readonly IntrospectionSource[]): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const { source, node } of sources) {
    for (const description of interfacesIn(node)) {
      const { name } = description;
      const other = found.get(name);
      if (other === undefined) {
        found.set(name, { description, source });
      } else if (!isDeepStrictEqual(other.description, description)) {
        const where =
          other.source === source ? `twice in ${source}` : `in ${other.source} and ${source}`;
        other.dispute ??= `${name} is described differently ${where}: give one of them`;
      }
    }
  }
  return found;
}

function interfacesIn(node: IntrospectedNode): IntrospectedInterface[] {
  return [...node.interfaces, ...node.children.flatMap(interfacesIn)];
}

import type { BusKind, Confinement, MappedName, Mapping, ObjectKind } from './mapping.js';
import { matchName, nameSpecificity } from './names.js';
import { matchPath, pathSpecificity, type PathPattern } from './path-pattern.js';

/** An object of a service, and what its path says about it. */
export interface MappedObject {
  readonly kind: ObjectKind;
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * The object of the service that a path leads to; of several kinds that match, the one that spells
 * out most of it. Handles that allow only some members are given out by name, never by path.
 */
export function objectFor(mapping: Mapping, path: string): MappedObject | undefined {
  const kinds = [...mapping.objects.values()];
  return mostSpecific(
    kinds.filter(({ owner, only }) => owner === 'service' && only === undefined),
    path,
  );
}

/** Like `objectFor`, among the given kinds. */
export function mostSpecific(kinds: readonly ObjectKind[], path: string): MappedObject | undefined {
  let best: MappedObject | undefined;
  let bestSpecificity = -1;
  for (const kind of kinds) {
    for (const pattern of kind.paths) {
      const variables = matchPath(pattern, path);
      if (variables === undefined || pathSpecificity(pattern) <= bestSpecificity) continue;
      best = { kind, variables };
      bestSpecificity = pathSpecificity(pattern);
    }
  }
  return best;
}

/** The path of an object with a name, or one by which a service can call an object of its caller. */
export function firstPath({ name, paths }: ObjectKind): PathPattern {
  const [first] = paths;
  if (first === undefined) throw new TypeError(`the kind "${name}" has no path`);
  return first;
}

/** What the mappings of a bus say about a well-known name; the most specific pattern counts. */
export function findName(
  mappings: readonly Mapping[],
  bus: BusKind,
  name: string,
): { readonly mapping: Mapping; readonly entry: MappedName } | undefined {
  const matches = mappings
    .filter((mapping) => mapping.buses.includes(bus))
    .flatMap((mapping) => mapping.names.map((entry) => ({ mapping, entry })))
    .filter(({ entry }) => matchName(entry.pattern, name));
  const rank = ({ entry }: { entry: MappedName }): number => nameSpecificity(entry.pattern);
  return matches.toSorted((a, b) => rank(b) - rank(a))[0];
}

/** Whether a confined client gets an uplink; `id` is its uid, root directory, flatpak or snap. */
export function allowsUplink(mapping: Mapping, confinement: Confinement, id: string): boolean {
  return mapping.uplinks.some(
    (grant) => grant.confinement === confinement && (grant.id === '*' || grant.id === id),
  );
}

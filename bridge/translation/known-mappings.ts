import {
  matchName,
  nameSpecificity,
  type MappedName,
  type Mapping,
  type MappedInterface,
} from '#mappings/index.js';

/** A name that a mapping covers. */
export interface KnownName {
  readonly mapping: Mapping;
  readonly entry: MappedName;
}

/** The mappings that a bridge was started with, whatever existing bus they are written for: here there is one bus. */
export class KnownMappings {
  private readonly names: readonly KnownName[];

  constructor(mappings: readonly Mapping[]) {
    const names = mappings.flatMap((mapping) => mapping.names.map((entry) => ({ mapping, entry })));
    const rank = ({ entry }: KnownName): number => nameSpecificity(entry.pattern);
    this.names = names.toSorted((a, b) => rank(b) - rank(a));
  }

  /** The most specific pattern counts. */
  find(name: string): KnownName | undefined {
    return this.names.find(({ entry }) => matchName(entry.pattern, name));
  }

  /** Whether a mapping covers one of these names. */
  hasAny(names: Iterable<string>): boolean {
    for (const name of names) if (this.find(name) !== undefined) return true;
    return false;
  }
}

/**
 * Whether a service with this mapping has signals that end objects or are kept, so that they must be received.
 */
export function mustBeHeard({ objects, interfaces }: Mapping): boolean {
  const matters = ({ signals }: MappedInterface): boolean =>
    [...signals.values()].some(({ ends, isKept }) => ends !== undefined || isKept);
  return (
    [...objects.values()].some(({ isManager }) => isManager) ||
    [...interfaces.values()].some(matters)
  );
}

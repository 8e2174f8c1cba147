import { readFileSync } from 'node:fs';
import { describe } from '#bridge/client/remote-object.js';
import { parseIntrospection } from '#bridge/introspection/introspection.js';
import { interfacesIn } from '#bridge/introspection/known-interfaces.js';
import {
  expandPath,
  formatDiagnostic,
  parseMapping,
  type Mapping,
  type ObjectKind,
} from '#mappings/index.js';
import type { MockDefinition } from './mock-object.js';

/** A service as a mapping has it, for a mock. */
export interface MappedService {
  /** the file of the mapping */
  readonly mapping: string;
  /** introspection data of its interfaces, which the mapping only names */
  readonly introspection: readonly string[];
  /**
   * Which objects there are of a kind whose paths have variables: by the name of the kind, the values of the variables
   * of each. Objects with a path without variables are always there.
   */
  readonly objects?: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>;
}

/**
 * The objects of a mapped service, for `TestBus.mock`: at the paths and with the interfaces that the mapping says.
 *
 * @throws TypeError for a mapping with mistakes, a kind or a variable that it does not have, and an interface that
 *   nobody describes; IntrospectionError
 */
export function objectsOfMapping(service: MappedService): Record<string, MockDefinition> {
  const { mapping: file, objects: wanted = {} } = service;
  const mapping = readMapping(file);
  const nodes = service.introspection.map((xml) => parseIntrospection(xml, `for ${file}`));
  const described = interfacesIn(nodes);
  const unknown = Object.keys(wanted).find((kind) => mapping.objects.get(kind) === undefined);
  if (unknown !== undefined) {
    const known = [...mapping.objects.keys()].join(', ');
    throw new TypeError(`${file} has no objects of the kind "${unknown}", only ${known}`);
  }
  const objects: Record<string, MockDefinition> = {};
  for (const kind of mapping.objects.values()) {
    /* objects that callers offer do not exist here, and a kind with `only` is another view of an object */
    if (kind.owner === 'caller' || kind.only !== undefined) continue;
    for (const path of pathsOf(kind, wanted[kind.name] ?? [])) {
      const interfaces = kind.interfaces.map((name) =>
        describe(described.get(name) ?? missing(name, file)),
      );
      objects[path] = { interfaces, isManager: kind.isManager };
    }
  }
  return objects;
}

/** The paths without variables, and for each object the one that has just its variables. */
function pathsOf(kind: ObjectKind, objects: readonly Readonly<Record<string, string>>[]): string[] {
  const fixed = kind.paths.filter(({ variables }) => variables.length === 0);
  const variable = objects.map((values) => {
    const given = Object.keys(values).toSorted().join();
    const fits = kind.paths.find(
      ({ variables }) => variables.length > 0 && variables.toSorted().join() === given,
    );
    if (fits !== undefined) return expandPath(fits, values);
    const known = kind.paths.map(({ text }) => text).join(', ');
    throw new TypeError(
      `a ${kind.name} is at ${known}, which takes other variables than "${given}"`,
    );
  });
  return [...fixed.map(({ text }) => text), ...variable];
}

function readMapping(file: string): Mapping {
  const result = parseMapping(readFileSync(file, 'utf8'), file);
  if ('mapping' in result) return result.mapping;
  throw new TypeError(result.diagnostics.map(formatDiagnostic).join('\n'));
}

function missing(name: string, file: string): never {
  throw new TypeError(`${file} is about ${name}, which the introspection data do not describe`);
}

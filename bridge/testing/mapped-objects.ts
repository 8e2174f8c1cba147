import { readFileSync } from 'node:fs';
import type { InterfaceDescription } from '#bridge/client/interface-description.js';
import { describe } from '#bridge/client/remote-object.js';
import {
  parseIntrospection,
  type IntrospectedInterface,
  type IntrospectedNode,
} from '#bridge/introspection/introspection.js';
import { expandPath, formatDiagnostic, parseMapping, type Mapping } from '#mappings/index.js';
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
  const described = new Map(
    service.introspection
      .flatMap((xml) => interfacesIn(parseIntrospection(xml, `for ${file}`)))
      .map((one) => [one.name, describe(one)]),
  );
  const unknown = Object.keys(wanted).find((kind) => mapping.objects.get(kind) === undefined);
  if (unknown !== undefined) {
    const known = [...mapping.objects.keys()].join(', ');
    throw new TypeError(`${file} has no objects of the kind "${unknown}", only ${known}`);
  }
  const objects: Record<string, MockDefinition> = {};
  for (const kind of mapping.objects.values()) {
    /* what a caller offers is not there, and a handle for some members is one to the same object */
    if (kind.owner === 'caller' || kind.only !== undefined) continue;
    for (const pattern of kind.paths) {
      const each = pattern.variables.length === 0 ? [{}] : (wanted[kind.name] ?? []);
      for (const variables of each) {
        const path = expandPath(pattern, variables);
        const interfaces = kind.interfaces.map(
          (name) => described.get(name) ?? missing(name, file),
        );
        objects[path] = { interfaces, isManager: kind.isManager };
      }
    }
  }
  return objects;
}

function readMapping(file: string): Mapping {
  const result = parseMapping(readFileSync(file, 'utf8'), file);
  if ('mapping' in result) return result.mapping;
  throw new TypeError(result.diagnostics.map(formatDiagnostic).join('\n'));
}

function interfacesIn(node: IntrospectedNode): IntrospectedInterface[] {
  return [...node.interfaces, ...node.children.flatMap(interfacesIn)];
}

function missing(name: string, file: string): InterfaceDescription {
  throw new TypeError(`${file} is about ${name}, which the introspection data do not describe`);
}

import { STANDARD_INTERFACES, adviceAt, objectFor } from '#mappings/index.js';
import type { Diagnostic, Mapping } from '#mappings/index.js';
import type { IntrospectedNode } from './introspection.js';

/** An object of a service and its introspection data. */
export interface SeenObject {
  readonly path: string;
  readonly node: IntrospectedNode;
}

/** Advice on objects with mapped interfaces at a path that is not mapped, or at the path of a kind without them. */
export function checkObjects(mapping: Mapping, objects: readonly SeenObject[]): Diagnostic[] {
  const mapped = new Set([...mapping.objects.values()].flatMap(({ interfaces }) => interfaces));
  return objects.flatMap(({ path, node }) => {
    const names = node.interfaces
      .map(({ name }) => name)
      .filter((name) => !STANDARD_INTERFACES.has(name));
    const kind = objectFor(mapping, path)?.kind;
    if (kind === undefined) {
      const known = names.filter((name) => mapped.has(name));
      const [first] = mapping.objects.values();
      if (known.length === 0 || first === undefined) return [];
      const message = `the mapping has no object with the path ${path}, where the service has ${known.join(', ')}`;
      return [adviceAt(first.at, 'not-introspected', message)];
    }
    const strange = names.filter((name) => mapped.has(name) && !kind.interfaces.includes(name));
    if (strange.length === 0) return [];
    const message = `${path} is an object "${kind.name}", but has ${strange.join(', ')}`;
    return [adviceAt(kind.at, 'not-introspected', message)];
  });
}

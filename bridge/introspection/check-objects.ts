import { STANDARD_INTERFACES, adviceAt, objectFor } from '#mappings/index.js';
import type { Diagnostic, Mapping } from '#mappings/index.js';
import type { IntrospectedNode } from './introspection.js';

/** An object of a service and what introspecting it has told. */
export interface SeenObject {
  readonly path: string;
  readonly node: IntrospectedNode;
}

/** Objects that a mapping is about by their interfaces, but not by their paths, or the reverse. */
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
      const message = `no object has the path ${path}, where the service has ${known.join(', ')}`;
      return [adviceAt(first.at, 'not-introspected', message)];
    }
    const strange = names.filter((name) => mapped.has(name) && !kind.interfaces.includes(name));
    if (strange.length === 0) return [];
    const message = `${path} is an object "${kind.name}", but has ${strange.join(', ')}`;
    return [adviceAt(kind.at, 'not-introspected', message)];
  });
}

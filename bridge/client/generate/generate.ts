import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { parseIntrospection } from '#bridge/introspection/introspection.js';
import { readDocumentation, type Documentation } from './documentation.js';
import { expandEntities } from './entities.js';
import { interfaceModule } from './interface-module.js';
import { selectInterfaces } from './select-interfaces.js';

/** Introspection data, and where it is from. */
export interface IntrospectionText {
  /** What errors call it. */
  readonly source: string;
  /** What the module calls it, wherever that is generated. */
  readonly title: string;
  readonly xml: string;
}

/**
 * A TypeScript module that describes the interfaces in introspection data: all of them, or those named
 * in `wanted`. Throws IntrospectionError and GenerateError.
 */
export function generateModule(
  texts: readonly IntrospectionText[],
  wanted: readonly string[] = [],
): string {
  const expanded = texts.map(({ source, xml }) => ({ source, xml: expandEntities(xml) }));
  const nodes = expanded.map(({ source, xml }) => ({
    source,
    node: parseIntrospection(xml, source),
  }));
  const interfaces = selectInterfaces(nodes, wanted);
  const documentation: Documentation = new Map(
    // What is described more than once is documented by the first.
    expanded.toReversed().flatMap(({ xml }) => [...readDocumentation(xml)]),
  );
  return interfaceModule(interfaces, { titles: texts.map(({ title }) => title), documentation });
}

/** Reads introspection data from a file. Throws what the file system says. */
export function readIntrospection(file: string): IntrospectionText {
  return { source: file, title: basename(file), xml: readFileSync(file, 'utf8') };
}

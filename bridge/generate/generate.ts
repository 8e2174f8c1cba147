import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseIntrospection } from '#bridge/introspection/introspection.js';
import type { Mapping } from '#mappings/index.js';

import { readDocumentation, type Documentation } from './documentation.js';
import { interfaceModule } from './interface-module.js';
import { mappedView } from './mapped-view.js';
import {
  GenerateError,
  isDescribed,
  selectInterfaces,
  type IntrospectionSource,
} from './select-interfaces.js';

/** Introspection data, and their source. */
export interface IntrospectionText {
  /** Its name in errors. */
  readonly source: string;
  /** Its name in the module, the same wherever that is generated. */
  readonly title: string;
  readonly xml: string;
}

/** What to generate. */
export interface GenerateOptions {
  /** only these interfaces; empty: all */
  readonly wanted?: readonly string[] | undefined;
  /** the interfaces of this mapping, with capabilities in place of paths, and what its names lead to */
  readonly mapping?: Mapping | undefined;
}

/**
 * A TypeScript module that describes interfaces in introspection data. Throws IntrospectionError and GenerateError.
 */
export function generateModule(
  texts: readonly IntrospectionText[],
  options: GenerateOptions = {},
): string {
  const expanded = texts.map(({ source, xml }) => ({ source, xml: expandEntities(xml) }));
  const nodes = expanded.map(({ source, xml }) => ({
    source,
    node: parseIntrospection(xml, source),
  }));
  const documentation: Documentation = new Map(
    // The first documentation of an interface or a member counts.
    expanded.toReversed().flatMap(({ xml }) => [...readDocumentation(xml)]),
  );
  const titles = texts.map(({ title }) => title);
  return moduleFor({ nodes, titles, documentation }, options);
}

/** The input for a module. */
export interface Introspected {
  readonly nodes: readonly IntrospectionSource[];
  readonly titles: readonly string[];
  readonly documentation?: Documentation;
}

/** Like `generateModule`, from introspection data that are parsed already. */
export function moduleFor(
  { nodes, titles, documentation = new Map() }: Introspected,
  { wanted = [], mapping }: GenerateOptions = {},
): string {
  if (mapping === undefined) {
    return interfaceModule(selectInterfaces(nodes, wanted), { titles, documentation });
  }
  const names = wanted.length > 0 ? wanted : interfacesOf(mapping, nodes);
  const view = mappedView(mapping, selectInterfaces(nodes, names), documentation);
  return interfaceModule(view.interfaces, {
    titles: [basename(mapping.file), ...titles],
    documentation: view.documentation,
    mapped: { mapping, view },
  });
}

/** The interfaces of a mapping's objects, as far as they are described. @throws GenerateError when none is */
function interfacesOf(mapping: Mapping, nodes: readonly IntrospectionSource[]): string[] {
  const all = [...mapping.objects.values()].flatMap(({ interfaces }) => interfaces);
  const described = all.filter((name) => isDescribed(name, nodes));
  if (described.length > 0) return described;
  const places = nodes.map(({ source }) => source).join(', ') || 'nothing';
  throw new GenerateError(
    `${mapping.file} has the interfaces ${[...new Set(all)].join(', ')}, none of which ${places} describes`,
  );
}

/** Introspection data of a file; throws what `readText` throws. */
export function readIntrospection(
  file: string,
  readText = (path: string): string => readFileSync(path, 'utf8'),
): IntrospectionText {
  return { source: file, title: basename(file), xml: readText(file) };
}

/**
 * Puts the entities that a document type declares as plain text, such as
 * `<!ENTITY ERROR_GENERAL "org.freedesktop.UPower.GeneralError">`, in the places that refer to them.
 * An entity that refers to others is left to the XML parser, which refuses it.
 */
function expandEntities(xml: string): string {
  const declared = /<!ENTITY\s+([A-Za-z_][\w.-]*)\s+(?:"([^"&%<]*)"|'([^'&%<]*)')\s*>/g;
  const values = new Map(
    [...xml.matchAll(declared)].map(([, name, double, single]) => [name, double ?? single]),
  );
  if (values.size === 0) return xml;
  return xml.replace(/&([A-Za-z_][\w.-]*);/g, (reference, name) => values.get(name) ?? reference);
}

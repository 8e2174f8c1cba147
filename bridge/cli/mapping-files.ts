import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readFileText } from '#bridge/control/file-text.js';
import { formatDiagnostic, parseMapping, type Mapping } from '#mappings/index.js';

/** Which mappings a bus is started with. */
export interface MappingOptions {
  /** files */
  readonly mapping?: readonly string[];
  /** those that come with this program, too */
  readonly mappings?: boolean;
}

/** Where the mappings are that come with this program. */
const SHIPPED = resolve(import.meta.dirname, '../../../mappings');

/** The paths of the mappings that come with this program. */
export function shippedMappings(): string[] {
  const names = readdirSync(SHIPPED).filter((name) => name.endsWith('.yaml'));
  return names.toSorted().map((name) => join(SHIPPED, name));
}

/** The mappings that the command line asks for. */
export function mappingsOf({ mapping = [], mappings = false }: MappingOptions): Mapping[] {
  return [...mapping, ...(mappings ? shippedMappings() : [])].map((file) => readMapping(file));
}

/** @throws Error for any fault: half of a mapping would move half of a service */
export function readMapping(file: string): Mapping {
  const result = parseMapping(readFileText(file), file);
  if ('mapping' in result) return result.mapping;
  const why = result.diagnostics.map(formatDiagnostic).join('\n');
  throw new Error(`cannot use the mapping:\n${why}`);
}

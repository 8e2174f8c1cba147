import { readFileText } from '#bridge/control/file-text.js';
import { textOf } from '#bridge/control/startup-error.js';
import { checkMapping } from '#bridge/introspection/check-mapping.js';
import { checkObjects } from '#bridge/introspection/check-objects.js';
import { interfacesIn } from '#bridge/introspection/known-interfaces.js';
import {
  adviceAt,
  errorAt,
  formatDiagnostic,
  lintMappings,
  matchName,
  parseMapping,
} from '#mappings/index.js';
import type { Diagnostic, Mapping, ParseResult } from '#mappings/index.js';
import { shippedMappings } from './mapping-files.js';
import { OldBus } from './mappings-bus.js';
import { fixedPaths, survey } from './mappings-survey.js';

export interface CheckOptions {
  /** `session`, `system` or an address. */
  readonly bus?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

/** Prints one line for each thing found. The status is 1 if there is an error, otherwise 0. */
export async function checkMappings(
  files: readonly string[],
  { bus, strict = false, json = false }: CheckOptions,
): Promise<number> {
  const paths = files.length > 0 ? files : shippedMappings();
  const results = paths.map((path) => readMapping(path));
  const mappings = results.flatMap((result) => ('mapping' in result ? [result.mapping] : []));
  const diagnostics = [
    ...results.flatMap((result) => ('diagnostics' in result ? result.diagnostics : [])),
    ...lintMappings(mappings),
    ...(bus === undefined ? [] : await compareWithBus(mappings, bus)),
  ];
  const lines = diagnostics.map((one) => `${formatDiagnostic(one)}\n`).join('');
  process.stdout.write(json ? `${JSON.stringify(diagnostics)}\n` : lines);
  const isWrong = diagnostics.some(({ severity }) => severity === 'error');
  return isWrong || (strict && diagnostics.length > 0) ? 1 : 0;
}

/** A file that cannot be read does not keep the others from being checked. */
function readMapping(path: string): ParseResult {
  try {
    return parseMapping(readFileText(path), path);
  } catch (error) {
    const at = { file: path, line: 1, column: 1 };
    return { diagnostics: [errorAt(at, 'unreadable-file', textOf(error))] };
  }
}

async function compareWithBus(mappings: readonly Mapping[], which: string): Promise<Diagnostic[]> {
  const bus = await OldBus.connect(which);
  try {
    const names = await bus.names(true);
    const meant = mappings.filter(
      ({ buses }) => buses.some((one) => one === which) || !/^(?:session|system)$/.test(which),
    );
    const diagnostics: Diagnostic[] = [];
    for (const mapping of meant) diagnostics.push(...(await compare(mapping, bus, names)));
    return diagnostics;
  } finally {
    bus.close();
  }
}

/** Compares a mapping with the services that are there, or can be started, of those it names. */
async function compare(
  mapping: Mapping,
  bus: OldBus,
  names: readonly string[],
): Promise<Diagnostic[]> {
  const diagnostics: Diagnostic[] = [];
  const fixed = fixedPaths(mapping);
  const objects = [];
  for (const { pattern, at } of mapping.names) {
    const present = names.filter((name) => matchName(pattern, name));
    if (present.length === 0) {
      const message = `no connection on this bus owns ${pattern}, and no service can be started for it`;
      diagnostics.push(adviceAt(at, 'not-introspected', message));
    }
    for (const name of present) {
      try {
        objects.push(...(await survey(bus, name, fixed)).objects);
      } catch (error) {
        diagnostics.push(adviceAt(at, 'not-introspected', textOf(error).trimEnd()));
      }
    }
  }
  if (objects.length === 0) return diagnostics;
  const known = interfacesIn(objects.map(({ node }) => node));
  return [
    ...diagnostics,
    ...checkMapping(mapping, known, { isComplete: false }),
    ...checkObjects(mapping, objects),
  ];
}

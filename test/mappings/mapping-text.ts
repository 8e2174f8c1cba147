import { formatDiagnostic, parseMapping } from '#mappings/index.js';
import type { Mapping } from '#mappings/index.js';

/** The mapping that a text is; throws what is wrong with it. */
export function mappingOf(text: string, file = 'test.yaml'): Mapping {
  const result = parseMapping(text, file);
  if ('mapping' in result) return result.mapping;
  throw new Error(result.diagnostics.map((one) => formatDiagnostic(one)).join('\n'));
}

/** What is wrong with a text, one line each. */
export function diagnosticsOf(text: string): string[] {
  const result = parseMapping(text, 'test.yaml');
  return 'diagnostics' in result ? result.diagnostics.map((one) => formatDiagnostic(one)) : [];
}

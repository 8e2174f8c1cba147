import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readConfiguration } from '#bridge/control/configuration.js';
import { readFileText } from '#bridge/control/file-text.js';
import { convertBusconfig, formatDiagnostic, OrderError } from '#policy/index.js';

/** Converts a file in which there is no mistake. The status is 1 for one that cannot be converted. */
export function convertPolicy(file: string, output: string | undefined): number {
  const result = readConfiguration(resolve(file));
  if (!result.ok) {
    for (const error of result.errors) process.stderr.write(`${formatDiagnostic(error)}\n`);
    return 1;
  }
  try {
    const yaml = convertBusconfig(readFileText(file));
    if (output === undefined) process.stdout.write(yaml);
    else writeFileSync(output, yaml);
    return 0;
  } catch (error) {
    if (!(error instanceof OrderError)) throw error;
    process.stderr.write(`${file}: ${error.message}\n`);
    return 1;
  }
}

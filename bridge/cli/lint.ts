import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { SYSTEM_CONFIG, readConfiguration } from '#bridge/control/configuration.js';
import {
  formatDiagnostic,
  lintConfig,
  mediationDiagnostics,
  type BusConfig,
  type SourcePosition,
} from '#policy/index.js';

export interface LintOptions {
  readonly strict?: boolean;
  readonly json?: boolean;
}

/** A mistake or a likely one; a line of severity `error` means that its file is not used. */
interface LintLine extends SourcePosition {
  readonly severity: 'error' | 'warning' | 'advice';
  readonly code: string;
  readonly message: string;
}

/** Prints one line for each thing found. The status is 1 if there is an error, otherwise 0. */
export function lint(file: string = SYSTEM_CONFIG, { strict, json }: LintOptions): number {
  const lines = lintLines(resolve(file));
  const text = json === true ? `${JSON.stringify(lines)}\n` : lines.map(lineText).join('');
  process.stdout.write(text);
  if (json !== true && lines.length === 0) process.stdout.write(`${file}: no mistakes\n`);
  return lines.some(({ severity }) => strict === true || severity === 'error') ? 1 : 0;
}

function lintLines(path: string): LintLine[] {
  const result = readConfiguration(path);
  const findings = result.ok ? lintConfig(result.config) : [];
  return [
    ...(result.ok ? [] : result.errors),
    ...result.diagnostics,
    ...(result.ok ? mediationDiagnostics(result.config) : []),
    ...findings.map((finding) => ({ ...finding, severity: 'advice' as const })),
    ...(result.ok ? missingExecutables(result.config) : []),
  ];
}

/** A role for a program that does not exist applies to nobody until the program is installed. */
function missingExecutables({ policy }: BusConfig): LintLine[] {
  return policy.roles.flatMap(({ name, conditions, file, line, column }) =>
    (conditions.executable ?? [])
      .filter((path) => !existsSync(path))
      .map((path) => ({
        severity: 'advice' as const,
        code: 'no-such-file',
        file,
        line,
        column,
        message: `role "${name}" is for ${path}, which does not exist`,
      })),
  );
}

function lineText(line: LintLine): string {
  return `${formatDiagnostic(line)} [${line.severity}, ${line.code}]\n`;
}

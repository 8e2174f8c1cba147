import { SYSTEM_CONFIG, loadConfiguration } from '#bridge/control/configuration.js';
import { formatDiagnostic, lintConfig } from '#policy/index.js';

/** Prints one line for each thing found. The status is 1 if something was lost, otherwise 0. */
export function lint(file: string = SYSTEM_CONFIG, strict: boolean): number {
  const { config, diagnostics } = loadConfiguration(file);
  const findings = lintConfig(config);
  const lines = [
    ...diagnostics.map(
      (diagnostic) =>
        `${formatDiagnostic(diagnostic)} [${diagnostic.severity}, ${diagnostic.code}]`,
    ),
    ...findings.map((finding) => {
      const { file, line, column, message, code } = finding;
      return `${file}:${line}:${column}: ${message} [advice, ${code}]`;
    }),
  ];
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  const isLossy = diagnostics.some(({ severity }) => severity === 'error');
  return isLossy || (strict && lines.length > 0) ? 1 : 0;
}

import { Command } from 'commander';
import type { LintOptions } from './lint.js';

/** `bus1-bridge lint`: what is wrong, or probably a mistake, in a configuration. */
export function lintCommand(finish: (status: number) => void): Command {
  return new Command('lint')
    .description('Checks a configuration and all that it includes.')
    .argument('[file]', 'busconfig XML or policy YAML (default: that of the system bus)')
    .option('--strict', 'exit with status 1 for advice and warnings, too')
    .option('--json', 'one JSON array instead of lines')
    .action(async (file: string | undefined, options: LintOptions) => {
      const { lint } = await import('./lint.js');
      finish(lint(file, options));
    });
}

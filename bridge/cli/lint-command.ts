import { Command } from 'commander';

/** `bus1-bridge lint`: what is wrong, or hardly meant, in a configuration. */
export function lintCommand(finish: (status: number) => void): Command {
  return new Command('lint')
    .description('Checks a configuration and all that it includes.')
    .argument('[file]', 'busconfig XML or policy YAML (default: that of the system bus)')
    .option('--strict', 'exit with status 1 for advice and warnings, too')
    .action(async (file: string | undefined, { strict = false }: { strict?: boolean }) => {
      const { lint } = await import('./lint.js');
      finish(lint(file, strict));
    });
}

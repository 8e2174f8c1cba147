import { Command } from 'commander';
import type { MigrateOptions } from './migrate.js';

/** `bus1-bridge migrate`: declares the command line; migrate.ts does the work. */
export function migrateCommand(finish: (status: number) => void): Command {
  return new Command('migrate')
    .description('Moves names between an existing bus and the bridge beside it, while both run.')
    .argument(
      '<name...>',
      'owned on the existing bus (with --back: on the bridge); after --, the command that starts the new owner',
    )
    .usage('[options] <name...> [-- command...]')
    .option('--back', 'from the bridge back to the existing bus')
    .option('--address <address>', 'address of the bridge (default: that of the session bus)')
    .option('--timeout <seconds>', 'how long to wait for the new owner', '20')
    .option('--stop-old', 'end the process of the old owner with SIGTERM')
    .option('--release', 'with --back: release the name before the new owner requests it')
    .option('--json', 'one JSON object per line, for each step and the result')
    .action(async (words: string[], options: MigrateOptions) => {
      const { migrate } = await import('./migrate.js');
      const command = afterDashes(process.argv);
      const names = words.slice(0, words.length - command.length);
      finish(await migrate(names, command, options));
    });
}

function afterDashes(words: readonly string[]): readonly string[] {
  const dashes = words.indexOf('--');
  return dashes < 0 ? [] : words.slice(dashes + 1);
}

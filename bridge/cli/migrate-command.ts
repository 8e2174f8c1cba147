import { Command } from 'commander';
import type { MigrateOptions } from './migrate.js';

/** `bus1-bridge migrate`: the words of the command line; migrate.ts does the work. */
export function migrateCommand(finish: (status: number) => void): Command {
  return new Command('migrate')
    .description('Moves a name between an existing bus and the bridge beside it, while both run.')
    .argument('<name>', 'the name, owned on the existing bus (with --back: on the bridge)')
    .argument(
      '[command...]',
      'starts the new owner on the bus that gets the name (put -- before it)',
    )
    .option('--back', 'from the bridge back to the existing bus')
    .option('--address <address>', 'of the bridge; by default that of the session bus')
    .option('--timeout <seconds>', 'how long to wait for the new owner', '20')
    .option('--stop-old', 'ends the process of the old owner with SIGTERM')
    .option('--json', 'one JSON object a line, for each step and the result')
    .action(async (name: string, command: string[], options: MigrateOptions) => {
      const { migrate } = await import('./migrate.js');
      finish(await migrate(name, command, options));
    });
}

import { Command } from 'commander';
import type { RunOptions } from './run.js';

/** `bus1-bridge run`: declares the command line; run.ts does the work. */
export function runCommand(finish: (status: number) => void): Command {
  return new Command('run')
    .description('Runs a bus: a private session bus, unless the options say otherwise.')
    .argument('[command...]', 'command to run on the bus, which ends with it (put -- before it)')
    .option('--config <file>', 'busconfig XML or policy YAML instead of the built-in rules')
    .option('--address <address>', 'where to listen, for example unix:path=/tmp/bus')
    .option('--print-address [fd]', 'print the address and nothing else')
    .option('--hosts <count>', 'processes that carry connections (by default 1: the bus itself)')
    .option('--mapping <file...>', 'mappings of services for native peers (docs/mappings.md)')
    .option('--mappings', 'use the mappings that come with this program')
    .option('--log-level <level>', 'trace, debug, info, notice, warn, error, fatal or silent')
    .passThroughOptions()
    .action(async (command: string[], options: RunOptions) => {
      const { run } = await import('./run.js');
      finish(await run(command, options));
    });
}

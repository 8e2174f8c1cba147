import { Command } from 'commander';
import type { AttachOptions } from './attach.js';

/** `bus1-bridge attach`: declares the command line; attach.ts does the work. */
export function attachCommand(finish: (status: number) => void): Command {
  return new Command('attach')
    .description(
      'Runs a bus beside an existing one: names move over one at a time, in both directions.',
    )
    .argument('[command...]', 'command to run on the bus, which ends with it (put -- before it)')
    .option('--bus <bus>', 'the existing bus: session, system, or an address', 'session')
    .option(
      '--import <pattern...>',
      'names of the existing bus that are reachable here, such as org.freedesktop.portal.*',
    )
    .option('--export <pattern...>', 'names of this bus that are reachable there')
    .option(
      '--allow-confined <client...>',
      'confined clients that may talk to the existing bus: uid:1000, flatpak:com.example.App, snap:firefox, root, *',
    )
    .option('--mapping <file...>', 'mappings whose names are imported or exported')
    .option(
      '--mappings',
      'use the mappings that come with this program, for names that are imported',
    )
    .option('--config <file>', 'busconfig XML or policy YAML instead of the built-in rules')
    .option('--address <address>', 'where to listen, for example unix:path=/tmp/bus')
    .option('--print-address [fd]', 'print the address and nothing else')
    .option('--log-level <level>', 'trace, debug, info, notice, warn, error, fatal or silent')
    .passThroughOptions()
    .action(async (command: string[], options: AttachOptions) => {
      const { attach } = await import('./attach.js');
      finish(await attach(command, options));
    });
}

import { Command } from 'commander';
import type { CheckOptions } from './mappings-check.js';
import type { InitOptions } from './mappings-init.js';
import type { PlanOptions } from './mappings-plan.js';

type Finish = (status: number) => void;

const BUS = '--bus <bus>';

/** `bus1-bridge mappings`: files that say how native peers reach services of an old bus. */
export function mappingsCommand(finish: Finish): Command {
  return new Command('mappings')
    .description('Writes and checks mappings: how native peers reach services of an old bus.')
    .addCommand(initCommand(finish))
    .addCommand(checkCommand(finish))
    .addCommand(planCommand(finish));
}

function initCommand(finish: Finish): Command {
  return new Command('init')
    .description('Writes a mapping from the introspection data of a running service.')
    .argument(
      '[name...]',
      'well-known names, whose services are started if need be (default: see --running)',
    )
    .option(BUS, 'session, system or an address', 'session')
    .option('--running', 'all names that have an owner; the default')
    .option('--all', 'all names that have an owner or a service that can be started, and start it')
    .option('--output <directory>', 'write a file for each name (default: print them)')
    .action(async (names: string[], options: InitOptions) => {
      const { initMappings } = await import('./mappings-init.js');
      finish(await initMappings(names, options));
    });
}

function checkCommand(finish: Finish): Command {
  return new Command('check')
    .description('Checks mappings, one by one and together.')
    .argument('[file...]', 'mapping files (default: those that come with this program)')
    .option(BUS, 'compare with the services on this bus: session, system or an address')
    .option('--strict', 'exit with status 1 for advice, too')
    .option('--json', 'one JSON array instead of lines')
    .action(async (files: string[], options: CheckOptions) => {
      const { checkMappings } = await import('./mappings-check.js');
      finish(await checkMappings(files, options));
    });
}

function planCommand(finish: Finish): Command {
  return new Command('plan')
    .description('Watches a bus, and proposes an order in which its names can move.')
    .option(BUS, 'session, system or an address', 'session')
    .option('--seconds <number>', 'how long to watch', '10')
    .option(
      '--mapping <file...>',
      'mappings to consider in addition to those that come with this program',
    )
    .option('--json', 'print JSON')
    .action(async (options: PlanOptions) => {
      const { planMappings } = await import('./mappings-plan.js');
      finish(await planMappings(options));
    });
}

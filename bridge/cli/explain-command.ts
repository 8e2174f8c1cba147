import { Command, Option } from 'commander';
import type { ExplainOptions } from './explain.js';

/** `bus1-bridge explain`: which rule of a configuration decides. */
export function explainCommand(finish: (status: number) => void): Command {
  return new Command('explain')
    .description('Tells whether a policy allows something, and which rule at which line decides.')
    .argument('[file]', 'busconfig XML or policy YAML (default: that of the system bus)')
    .option(
      '--bus <bus>',
      'ask a running bus instead: session, system, or an address; --from and --to then name connections',
    )
    .option('--user <user>', 'user that connects, owns or sends (default: you)')
    .option('--connect', 'may the user connect?')
    .option('--role <name...>', 'roles to give to the user, whatever their conditions')
    .option('--own <name>', 'may the user own this name?')
    .option(
      '--from <name...>',
      'names that the sender owns, or its roles; with --bus, one of its names, or its process ID',
    )
    .option('--to <name...>', 'the same for the receiver')
    .option('--to-user <user>', 'user that receives (default: root)')
    .addOption(
      new Option('--type <type>', 'type of the message')
        .choices(['method_call', 'method_return', 'error', 'signal'])
        .default('method_call'),
    )
    .option('--path <path>')
    .option('--interface <name>')
    .option('--member <name>')
    .option('--error <name>')
    .option('--broadcast', 'the message is a broadcast signal')
    .option('--all', 'also list the rules that do not match')
    .option('--json', 'one JSON object instead of lines')
    .action(async (file: string | undefined, options: ExplainOptions) => {
      const { explain } = await import('./explain.js');
      finish(await explain(file, options));
    });
}

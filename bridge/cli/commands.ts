import { Command, Option } from 'commander';
import { benchCommand } from '#bridge/bench/bench.js';
import { versionText } from '#bridge/control/version.js';
import { generateCommand } from './generate-command.js';
import { mappingsCommand } from './mappings-command.js';
import type { RunOptions } from './run.js';
import type { AttachOptions } from './attach.js';
import type { MigrateOptions } from './migrate.js';
import type { AdoptOptions } from './adopt.js';
import type { LintOptions } from './lint.js';
import type { ExplainOptions } from './explain.js';

/** The command line of bus1-bridge: --help, the manual pages and the completions are generated from it. */
export function bridgeProgram(finish: (status: number) => void): Command {
  const program = new Command('bus1-bridge')
    .description('A D-Bus message bus on a BUS1 capability core.')
    .version(versionText())
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  const commands = [
    runCommand,
    statusCommand,
    denialsCommand,
    attachCommand,
    migrateCommand,
    adoptCommand,
    sandboxCommand,
    lintCommand,
    explainCommand,
    policyCommand,
    generateCommand,
    mappingsCommand,
  ];
  for (const command of [...commands.map((make) => make(finish)), benchCommand('bench')]) {
    program.addCommand(command);
    inherit(command, program);
  }
  return program;
}

/** A command that was built separately does not inherit the error handling of its parent automatically. */
function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
}

/** `bus1-bridge run`: declares the command line; run.ts does the work. */
function runCommand(finish: (status: number) => void): Command {
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

/** `bus1-bridge status`: shows the processes that carry the messages of a bus. */
function statusCommand(finish: (status: number) => void): Command {
  return new Command('status')
    .description(
      'Shows the processes of a running bus, with the connections, peers and handles of each.',
    )
    .argument('[address]', 'address of the bus (default: the session bus)')
    .option('--json', 'one JSON object instead of a table')
    .action(async (address: string | undefined, { json }: { json?: true }) => {
      const { busStatus, formatStatus } = await import('./status.js');
      const status = await busStatus(address);
      process.stdout.write(json === true ? `${JSON.stringify(status)}\n` : formatStatus(status));
      finish(0);
    });
}

/** `bus1-bridge denials`: what the policy of a running bus has refused. */
function denialsCommand(finish: (status: number) => void): Command {
  return new Command('denials')
    .description(
      'Shows what the policy of a running bus has refused: who, what, which rule, how often.',
    )
    .argument('[address]', 'address of the bus (default: the session bus)')
    .option('--follow', 'also show new denials as they happen, until SIGINT')
    .option('--json', 'one JSON object per line')
    .action(async (address: string | undefined, options: { follow?: true; json?: true }) => {
      const { busDenials, formatDenial, newDenials } = await import('./denials.js');
      const interrupted = new AbortController();
      process.once('SIGINT', () => interrupted.abort());
      const rows =
        options.follow === true
          ? newDenials(address, interrupted.signal)
          : await busDenials(address);
      let found = 0;
      for await (const row of rows) {
        found++;
        process.stdout.write(
          options.json === true ? `${JSON.stringify(row)}\n` : formatDenial(row),
        );
      }
      if (found === 0 && options.json !== true)
        process.stdout.write('nothing has been refused since the bus started\n');
      finish(0);
    });
}

/** `bus1-bridge attach`: declares the command line; attach.ts does the work. */
function attachCommand(finish: (status: number) => void): Command {
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

/** `bus1-bridge migrate`: declares the command line; migrate.ts does the work. */
function migrateCommand(finish: (status: number) => void): Command {
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

/** `bus1-bridge adopt`: declares the command line; adopt.ts does the work. */
function adoptCommand(finish: (status: number) => void): Command {
  return new Command('adopt')
    .description(
      'Lets systemd start this bus in place of dbus-daemon, from the next boot or login on.',
    )
    .option('--system', 'as the system bus')
    .option('--user', 'as the bus of each user (run by root), or of this user')
    .option('--attach <name...>', 'beside the existing bus of each user, with these names imported')
    .option('--back', 'remove what was written: the next boot or login starts dbus-daemon again')
    .option('--check', 'report what would break, and write nothing')
    .option('--json', 'one JSON object instead of lines')
    .option('--force', 'write even if the check finds an error')
    .option('--root <directory>', 'root directory of the system, for building images', '/')
    .action(async (options: AdoptOptions) => {
      const { adopt } = await import('./adopt.js');
      const say = (text: string): unknown => process.stdout.write(`${text}\n`);
      const report = adopt(options, options.json === true ? () => {} : say);
      if (options.json === true) say(JSON.stringify(report));
      finish(report.status);
    });
}

/** `bus1-bridge sandbox`: declares the command line, which is that of xdg-dbus-proxy(1). */
function sandboxCommand(finish: (status: number) => void): Command {
  const command = new Command('sandbox')
    .description('Shows a sandbox those names of a bus that it may see, as xdg-dbus-proxy does.')
    .argument('[words...]', 'ADDRESS PATH [OPTION...], once or more: a bus and a socket for it')
    .option('--fd <fd>', 'write a byte to it when ready, and end when its other end is closed')
    .option('--args <fd>', 'read more arguments from it, each followed by a NUL byte')
    .option('--filter', 'after ADDRESS PATH: let only messages pass that these options allow')
    .option('--log', 'the same: log what passes and what is filtered')
    .option('--sloppy-names', 'the same: all unique names are visible')
    .option(
      '--see <name>',
      'the same: this name is visible (com.example.* is a name and all below)',
    )
    .option('--talk <name>', 'the same: this name can be talked to')
    .option('--own <name>', 'the same: this name can be owned')
    .option('--call <name=rule>', 'the same: calls to a name that pass, as [METHOD][@PATH]')
    .option('--broadcast <name=rule>', 'the same: broadcasts from a name that pass')
    .passThroughOptions();
  return command.action(async () => {
    const { sandbox } = await import('./sandbox.js');
    // The order of the words matters, also of those before ADDRESS: so sandbox.ts reads them.
    const words = process.argv.slice(process.argv.indexOf('sandbox') + 1);
    finish(await sandbox(words, command.helpInformation()));
  });
}

/** `bus1-bridge lint`: what is wrong, or probably a mistake, in a configuration. */
function lintCommand(finish: (status: number) => void): Command {
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

/** `bus1-bridge explain`: which rule of a configuration decides. */
function explainCommand(finish: (status: number) => void): Command {
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

/** `bus1-bridge policy`: work on policy files other than checking them. */
function policyCommand(finish: (status: number) => void): Command {
  return new Command('policy')
    .description('Works on policy files.')
    .addCommand(convertCommand(finish));
}

function convertCommand(finish: (status: number) => void): Command {
  return new Command('convert')
    .description('Prints busconfig XML as policy YAML that means the same, with its comments.')
    .argument('<file>', 'busconfig XML')
    .option('--output <file>', 'write to this file instead of the standard output')
    .action(async (file: string, { output }: { output?: string }) => {
      const { convertPolicy } = await import('./policy-convert.js');
      finish(convertPolicy(file, output));
    });
}

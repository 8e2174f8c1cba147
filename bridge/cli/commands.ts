import { Command } from 'commander';
import { benchCommand } from '#bridge/bench/bench.js';
import { versionText } from '#bridge/control/version.js';
import { adoptCommand } from './adopt-command.js';
import { attachCommand } from './attach-command.js';
import { denialsCommand } from './denials-command.js';
import { explainCommand } from './explain-command.js';
import { generateCommand } from './generate-command.js';
import { lintCommand } from './lint-command.js';
import { mappingsCommand } from './mappings-command.js';
import { migrateCommand } from './migrate-command.js';
import { policyCommand } from './policy-command.js';
import { runCommand } from './run-command.js';
import { sandboxCommand } from './sandbox-command.js';
import { statusCommand } from './status-command.js';

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

import { Command, CommanderError } from 'commander';
import { benchCommand } from '#bridge/bench/bench.js';
import { versionText } from '#bridge/control/version.js';
import { attachCommand } from './attach-command.js';
import { explainCommand } from './explain-command.js';
import { generateCommand } from './generate-command.js';
import { lintCommand } from './lint-command.js';
import { mappingsCommand } from './mappings-command.js';
import { migrateCommand } from './migrate-command.js';
import { runCommand } from './run-command.js';
import { statusCommand } from './status-command.js';
import { UsageError } from './usage-error.js';

/** bus1-bridge: reads the command line and runs the command that it names. */
export async function main(): Promise<number> {
  let status = 0;
  const finish = (code: number): void => void (status = code);
  const program = new Command('bus1-bridge')
    .description('A D-Bus message bus on a BUS1 capability core.')
    .version(versionText())
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const command of [
    runCommand(finish),
    statusCommand(finish),
    attachCommand(finish),
    migrateCommand(finish),
    lintCommand(finish),
    explainCommand(finish),
    generateCommand(finish),
    mappingsCommand(finish),
    benchCommand('bench'),
  ]) {
    program.addCommand(command);
    inherit(command, program);
  }
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw usageError(error, process.argv.slice(2));
  }
  return status;
}

/** A command that was made elsewhere does not take over by itself how errors are reported. */
function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
}

function usageError(error: CommanderError, words: readonly string[]): UsageError {
  // Help that was printed because there is no command has said everything.
  if (error.code === 'commander.help') return new UsageError('name a command');
  const text = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\)$/s, '; did you mean $1');
  const command = words.find((word) => !word.startsWith('-'));
  return new UsageError(text, error.code === 'commander.unknownCommand' ? undefined : command);
}

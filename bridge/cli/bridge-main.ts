import { CommanderError, type Command } from 'commander';
import { bridgeProgram } from './commands.js';
import { UsageError } from './usage-error.js';

/** bus1-bridge: reads the command line and runs the command that it names. */
export async function main(): Promise<number> {
  let status = 0;
  const program = bridgeProgram((code) => void (status = code));
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw usageError(error, commandOf(program, process.argv.slice(2)));
  }
  return status;
}

/** The words that name the command, such as `mappings plan`; undefined if it is none of ours. */
function commandOf(program: Command, words: readonly string[]): string | undefined {
  const path: string[] = [];
  let command = program;
  for (const word of words.filter((one) => !one.startsWith('-'))) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) break;
    path.push(word);
    command = next;
  }
  return path.length === 0 ? undefined : path.join(' ');
}

function usageError(error: CommanderError, command: string | undefined): UsageError {
  // Without a command, commander has printed the help already.
  if (error.code === 'commander.help') return new UsageError('no command given');
  const text = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\)$/s, '; did you mean $1')
    .replace(/\.$/, '');
  return new UsageError(text, command);
}

import { CommanderError } from 'commander';
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
    throw usageError(error, process.argv.slice(2));
  }
  return status;
}

function usageError(error: CommanderError, words: readonly string[]): UsageError {
  // Without a command, commander has printed the help already.
  if (error.code === 'commander.help') return new UsageError('no command given');
  const text = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\)$/s, '; did you mean $1');
  const command = words.find((word) => !word.startsWith('-'));
  return new UsageError(text, error.code === 'commander.unknownCommand' ? undefined : command);
}

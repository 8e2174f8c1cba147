import { Command } from 'commander';

/** `bus1-bridge policy`: work on policy files other than checking them. */
export function policyCommand(finish: (status: number) => void): Command {
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

import { Command } from 'commander';

/** `bus1-bridge status`: who carries the messages of a bus. */
export function statusCommand(finish: (status: number) => void): Command {
  return new Command('status')
    .description('Shows the processes of a running bus, and what there is in each.')
    .argument('[address]', 'of the bus; by default the session bus')
    .option('--json', 'one JSON object instead of a table')
    .action(async (address: string | undefined, { json }: { json?: true }) => {
      const { busStatus, formatStatus } = await import('./status.js');
      const status = await busStatus(address);
      process.stdout.write(json === true ? `${JSON.stringify(status)}\n` : formatStatus(status));
      finish(0);
    });
}

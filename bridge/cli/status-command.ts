import { Command } from 'commander';

/** `bus1-bridge status`: shows the processes that carry the messages of a bus. */
export function statusCommand(finish: (status: number) => void): Command {
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

import { Command } from 'commander';

/** `bus1-bridge denials`: what the policy of a running bus has refused. */
export function denialsCommand(finish: (status: number) => void): Command {
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

import { Command } from 'commander';

/** `bus1-bridge sandbox`: declares the command line, which is that of xdg-dbus-proxy(1). */
export function sandboxCommand(finish: (status: number) => void): Command {
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

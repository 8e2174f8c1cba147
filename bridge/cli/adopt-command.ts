import { Command } from 'commander';
import type { AdoptOptions } from './adopt.js';

/** `bus1-bridge adopt`: declares the command line; adopt.ts does the work. */
export function adoptCommand(finish: (status: number) => void): Command {
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

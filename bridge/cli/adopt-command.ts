import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The command of an installed package, or else this Node with this program. */
export function daemonCommand(root: string): readonly string[] {
  const here = fileURLToPath(new URL('../cli/bus1-dbus-daemon.js', import.meta.url));
  const installed = '/usr/bin/bus1-dbus-daemon';
  try {
    const target = realpathSync(join(root, installed));
    if (root !== '/' || target === realpathSync(here.replace(/\.js$/, ''))) return [installed];
  } catch {
    // not installed as a package
  }
  return [process.execPath, here];
}

/** The words of a command as systemd.service(5) wants them, "Command lines": it expands specifiers and variables. */
export function execStart(words: readonly string[]): string {
  const [program = '', ...others] = words.map((word) => word.replaceAll('%', '%%'));
  // Variables are not expanded in the name of the program.
  return [program, ...others.map((word) => word.replaceAll('$', '$$$$'))].map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[\w./@+:%$-]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
}

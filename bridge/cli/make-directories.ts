import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory, and those above it that are missing. Not with `recursive`: where the kernel makes no directories,
 * as in /proc, Node.js would try for ever.
 *
 * @throws the error of mkdir(2)
 */
export function makeDirectories(path: string): void {
  const missing: string[] = [];
  for (let at = path; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) {
    missing.unshift(at);
  }
  for (const directory of missing) makeUnlessThere(directory);
}

/** Another process may be making the same directory. */
function makeUnlessThere(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/*
 * Not with `recursive`: where the kernel answers ENOENT although the directory above exists, as in /proc, Node.js would
 * try for ever.
 */

/**
 * Makes a directory, unless it exists; another process may be making it as well.
 *
 * @throws the error of mkdir(2), also when there is something else of this name
 */
export function makeDirectory(path: string, mode?: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

/**
 * The same, with the directories above it that are missing. Returns the first that was, undefined for none.
 *
 * @throws the error of mkdir(2)
 */
export function makeDirectories(path: string): string | undefined {
  const missing: string[] = [];
  for (let at = path; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) {
    missing.unshift(at);
  }
  for (const directory of missing) makeDirectory(directory);
  return missing[0];
}

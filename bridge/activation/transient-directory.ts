import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Diagnostic } from './diagnostic.js';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Makes the directory for transient services below the user's runtime directory, as the D-Bus specification asks of
 * a session bus ("Transient Session Services"). Returns the reason why it cannot be used, if any.
 *
 * A user that can write there can make the bus run programs: the directory and its parents must belong to `uid`,
 * and only that user may write to them.
 */
export function ensureTransientDirectory(path: string, uid: number): Diagnostic | undefined {
  const refuse = (file: string, message: string): Diagnostic => ({
    severity: 'warning',
    file,
    line: 0,
    message: `no transient services: ${message}`,
  });
  try {
    makeDirectory(dirname(path));
    makeDirectory(path);
    for (const directory of [dirname(dirname(path)), dirname(path), path]) {
      const status = statSync(directory);
      if (!status.isDirectory()) return refuse(directory, 'not a directory');
      if (status.uid !== uid) return refuse(directory, `belongs to uid ${status.uid}, not ${uid}`);
      if ((status.mode & WRITABLE_BY_OTHERS) !== 0) {
        return refuse(directory, `writable by others (mode ${(status.mode & 0o7777).toString(8)})`);
      }
    }
    return undefined;
  } catch (error) {
    return refuse(path, errorMessage(error));
  }
}

/** Not with `recursive`, which tries for ever in /proc; the directory above has to exist anyway. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

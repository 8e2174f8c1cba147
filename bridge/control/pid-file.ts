import { existsSync, writeFileSync } from 'node:fs';
import { removalOf } from './listening-socket.js';
import { StartupError, textOf } from './startup-error.js';

/** Checked before any socket is opened. */
export function refuseExistingPidFile(path: string): void {
  if (!existsSync(path)) return;
  const todo = 'if no bus is running, remove the file';
  throw new StartupError('pid-file', `the pid file ${path} exists; ${todo}`);
}

/** Writes the pid of this process; the result removes the file. */
export function writePidFile(path: string): () => void {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx', mode: 0o644 });
    return removalOf(path);
  } catch (error) {
    const todo = 'make its directory, or start with --nopidfile';
    throw new StartupError(
      'pid-file',
      `cannot write the pid file: ${textOf(error)}; ${todo}`,
      error,
    );
  }
}

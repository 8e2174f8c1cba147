import { readdirSync } from 'node:fs';
import { setCloseOnExec } from '#core/linux/index.js';

const STDERR = 2;

/**
 * Keeps descriptors that were passed to this process, such as the pipe for --print-address, from
 * the programs it starts: somebody may wait for the last of them to be closed.
 */
export function closeAllOnExec(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    if (Number(name) > STDERR) tryCloseOnExec(Number(name));
  }
}

function tryCloseOnExec(fd: number): void {
  try {
    setCloseOnExec(fd, true);
  } catch {
    // The one by which the directory was read is closed by now.
  }
}

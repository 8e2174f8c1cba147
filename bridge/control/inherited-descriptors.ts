import { readdirSync } from 'node:fs';
import { setAllCloseOnExec, setCloseOnExec } from '#core/linux/index.js';

const STDERR = 2;

/**
 * Keeps descriptors that were passed to this process, such as the pipe for --print-address, from the programs it
 * starts: a reader may wait for the last copy to be closed.
 */
export function closeAllOnExec(): void {
  if (setAllCloseOnExec(STDERR + 1)) return;
  for (const fd of descriptors()) if (fd > STDERR) tryCloseOnExec(fd);
}

/** Without /proc, only descriptors below this number are handled. */
const USUAL_DESCRIPTORS = 1024;

function descriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number);
  } catch {
    return Array.from({ length: USUAL_DESCRIPTORS }, (_, fd) => fd);
  }
}

function tryCloseOnExec(fd: number): void {
  try {
    setCloseOnExec(fd, true);
  } catch {
    // The descriptor through which the directory was read is closed by now.
  }
}

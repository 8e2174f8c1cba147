import { getOpenFilesLimit, setOpenFilesLimit } from '#core/linux/index.js';
import { textOf } from './startup-error.js';
import type { Logger } from './logger.js';

/** What dbus-daemon asks for: connections, and the descriptors that wait in their queues. */
const WANTED = 65_536;

/** Raises RLIMIT_NOFILE as far as this process may; Node has gone to the hard limit by itself. */
export function raiseOpenFilesLimit(logger: Logger): void {
  const { hard } = getOpenFilesLimit();
  if (hard >= WANTED) return;
  try {
    setOpenFilesLimit({ soft: WANTED, hard: WANTED });
  } catch (error) {
    logger.info({ limit: hard }, `cannot have ${WANTED} files open at a time: ${textOf(error)}`);
  }
}

import { readFileSync } from 'node:fs';
import {
  getOpenFilesLimit,
  getOpenFilesLimitOf,
  setOpenFilesLimit,
  type OpenFilesLimit,
} from '#core/linux/index.js';
import type { Logger } from './logger.js';
import { textOf } from './startup-error.js';

/** What dbus-daemon asks for: connections, and the descriptors that wait in their queues. */
const WANTED = 65_536;

/** The soft limit that Linux and systemd give to programs, which may rely on it for select(2). */
const CUSTOMARY = 1024;

/** Raises RLIMIT_NOFILE as far as this process may; Node has gone to the hard limit by itself. */
export function raiseOpenFilesLimit(logger: Logger): void {
  const { hard } = getOpenFilesLimit();
  if (hard >= WANTED) return;
  try {
    setOpenFilesLimit({ soft: WANTED, hard: WANTED });
  } catch (error) {
    logger.debug({ limit: hard }, `cannot raise RLIMIT_NOFILE to ${WANTED}: ${textOf(error)}`);
  }
}

/**
 * The limit for programs that the bus starts. Node raises the soft limit before any code of ours
 * runs, so its former value has to be inferred: a parent shell has the same one; a service manager
 * has a higher one for itself.
 */
export function originalOpenFilesLimit(environment: NodeJS.ProcessEnv): OpenFilesLimit {
  if (known !== undefined) return known;
  const { hard } = getOpenFilesLimit();
  const isService = process.ppid === 1 || environment['INVOCATION_ID'] !== undefined;
  const soft = isService ? undefined : parentSoftLimit();
  return { soft: Math.min(soft ?? CUSTOMARY, hard), hard };
}

let known: OpenFilesLimit | undefined;

/** For a process that got the limit from its parent. */
export function setOriginalOpenFilesLimit(limit: OpenFilesLimit): void {
  known = limit;
}

function parentSoftLimit(): number | undefined {
  return getOpenFilesLimitOf(process.ppid)?.soft ?? readSoftLimit(process.ppid);
}

/** All may read that file, also where the parent runs as another user. */
function readSoftLimit(pid: number): number | undefined {
  try {
    const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** Starts a program with `limit`. Only while few files are open: `start` may need descriptors below the limit. */
export function withOpenFilesLimit<T>(limit: OpenFilesLimit, start: () => T): T {
  const own = getOpenFilesLimit();
  setOpenFilesLimit({ soft: limit.soft, hard: own.hard });
  try {
    return start();
  } finally {
    setOpenFilesLimit(own);
  }
}

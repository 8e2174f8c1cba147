import { closeSync, writeSync } from 'node:fs';
import { StartupError, textOf } from './startup-error.js';

/** What dbus-daemon(1) prints to descriptors that the starting program has passed. */
export interface PrintTargets {
  readonly printAddress?: number;
  readonly printPid?: number;
}

const STDERR = 2;

/** Prints a line each, then closes the descriptors, so that readers find the end. */
export function printStarted(targets: PrintTargets, address: string, pid: number): void {
  const { printAddress, printPid } = targets;
  if (printAddress !== undefined) printTo(printAddress, address);
  if (printPid !== undefined) printTo(printPid, String(pid));
  for (const fd of new Set([printAddress, printPid])) {
    // Standard streams stay, or the next file that is opened would take their place.
    if (fd !== undefined && fd > STDERR) closeSync(fd);
  }
}

function printTo(fd: number, line: string): void {
  try {
    writeSync(fd, `${line}\n`);
  } catch (error) {
    const todo = 'pass a descriptor that is open for writing';
    const message = `cannot print to descriptor ${fd}: ${textOf(error)}; ${todo}`;
    throw new StartupError('bad-descriptor', message, error);
  }
}

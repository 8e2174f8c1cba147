import { closeSync, writeSync } from 'node:fs';
import { StartupError, textOf } from './startup-error.js';

/** Prints one line to a descriptor that the starting program has passed. */
export function printTo(fd: number, line: string): void {
  try {
    writeSync(fd, `${line}\n`);
  } catch (error) {
    const todo = 'pass a descriptor that is open for writing';
    const message = `cannot print to descriptor ${fd}: ${textOf(error)}; ${todo}`;
    throw new StartupError('bad-descriptor', message, error);
  }
}

/** Whoever waits for the end of what is printed gets it; standard streams stay open. */
export function closePrinted(fds: readonly (number | undefined)[]): void {
  for (const fd of new Set(fds)) if (fd !== undefined && fd > 2) closeSync(fd);
}

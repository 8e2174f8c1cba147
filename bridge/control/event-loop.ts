import { readdirSync, readFileSync } from 'node:fs';
import { StartupError } from './startup-error.js';

const DESCRIPTORS = '/proc/self/fdinfo';

/**
 * The epoll instance in which Node's event loop waits. It can be watched like any descriptor, and is readable when the
 * loop has something to do: a signal, a message of the parent process (epoll(7), "Questions and answers", 3).
 *
 * @param watched a descriptor that the loop watches, by which it is known (proc(5), "fdinfo")
 */
export function eventLoopDescriptor(watched: number): number {
  const target = new RegExp(`^tfd: *${watched} `, 'm');
  for (const fd of descriptors()) {
    if (target.test(infoOf(fd))) return Number(fd);
  }
  const todo = 'mount proc(5), or run with one host';
  throw new StartupError(
    'no-event-loop',
    `${DESCRIPTORS} does not show Node's event loop; ${todo}`,
  );
}

function descriptors(): string[] {
  try {
    return readdirSync(DESCRIPTORS);
  } catch {
    return [];
  }
}

function infoOf(fd: string): string {
  try {
    return readFileSync(`${DESCRIPTORS}/${fd}`, 'latin1');
  } catch {
    // It was the descriptor of the directory itself, which is closed by now.
    return '';
  }
}

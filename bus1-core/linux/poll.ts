import { Errno, SystemError } from './errno.js';
import { lastErrno, poll } from './libc.js';

const POLLIN = 1;
const POLLOUT = 4;

/**
 * Waits until `fd` can be read, is at its end or failed: true; or until `timeoutMs` (-1 without
 * end) have passed: false.
 */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  return waitFor(fd, POLLIN, timeoutMs);
}

/** Waits until the descriptor can be written to. */
export function waitWritable(fd: number, timeoutMs: number): boolean {
  return waitFor(fd, POLLOUT, timeoutMs);
}

function waitFor(fd: number, events: number, timeoutMs: number): boolean {
  // struct pollfd { int fd; short events; short revents; }
  const pollfd = new Int32Array([fd, events]);
  const deadline = performance.now() + timeoutMs;
  let leftMs = timeoutMs;
  for (;;) {
    const count = poll(pollfd, 1, leftMs);
    if (count >= 0) return count === 1;
    const errno = lastErrno();
    if (errno !== Errno.EINTR) throw new SystemError('poll', errno, `descriptor ${fd}`);
    if (timeoutMs >= 0) leftMs = Math.max(0, Math.ceil(deadline - performance.now()));
  }
}

import { Errno } from './errno.js';
import { futex, lastErrno } from './libc.js';
import { allocateBytes } from './native-memory.js';

// Operations of futex(2), linux/futex.h; without FUTEX_PRIVATE_FLAG: the word is shared between
// processes.
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;

// __NR_futex: asm/unistd_64.h of x86 and powerpc; asm-generic/unistd.h for all newer machines.
const SYS_FUTEX = process.arch === 'x64' ? 202 : process.arch === 'ppc64' ? 221 : 98;

const timeout = allocateBytes(16); // struct timespec { time_t sec; long nsec; }
const timeoutView = new DataView(timeout.bytes.buffer);

/**
 * Sleeps while the word at `address` is `expected`, at most `timeoutMs` (-1 without end). Returns 0
 * when woken (perhaps for no reason), or -errno: EAGAIN (the word differs), ETIMEDOUT, EINTR.
 */
export function futexWait(address: number, expected: number, timeoutMs: number): number {
  let timeoutAddress = 0;
  if (timeoutMs >= 0) {
    const seconds = Math.floor(timeoutMs / 1000);
    timeoutView.setUint32(0, seconds, true);
    timeoutView.setUint32(8, Math.round((timeoutMs - seconds * 1000) * 1e6) % 1e9, true);
    timeoutAddress = timeout.address;
  }
  const result = futex(SYS_FUTEX, address, FUTEX_WAIT, expected >>> 0, timeoutAddress, 0, 0);
  return result === -1 ? -lastErrno() : result;
}

/** Wakes up to `count` sleepers of the word; returns how many there were, or -errno. */
export function futexWake(address: number, count: number): number {
  const result = futex(SYS_FUTEX, address, FUTEX_WAKE, count, 0, 0, 0);
  return result === -1 ? -lastErrno() : result;
}

export const FutexResult = {
  Woken: 0,
  Differs: -Errno.EAGAIN,
  TimedOut: -Errno.ETIMEDOUT,
  Interrupted: -Errno.EINTR,
} as const;

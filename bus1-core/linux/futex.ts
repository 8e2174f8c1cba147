import { Errno } from './errno.js';
import { futex, futexWaitv, lastErrno } from './libc.js';
import { allocateBytes } from './native-memory.js';

// Operations of futex(2), linux/futex.h; without FUTEX_PRIVATE_FLAG: the word is shared between
// processes.
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
/** As FUTEX_WAIT, with a deadline by CLOCK_MONOTONIC instead of a length of time. */
const FUTEX_WAIT_BITSET = 9;
const FUTEX_BITSET_MATCH_ANY = 0xffffffff;

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

// futex_waitv, Linux 5.16: the same number on all machines; linux/futex.h.
const SYS_FUTEX_WAITV = 449;
const FUTEX2_SIZE_U32 = 2;
const CLOCK_MONOTONIC = 1;
const WAITER_BYTES = 24; // struct futex_waitv { u64 val; u64 uaddr; u32 flags; u32 reserved; }

/** Most words that one thread can wait for at once: FUTEX_WAITV_MAX. */
export const FUTEX_WAITERS_MAX = 128;

/** Sleeps while each of several words has its expected value. Laid out once; one instance per thread is enough. */
export class FutexWaiters {
  private readonly memory = allocateBytes(FUTEX_WAITERS_MAX * WAITER_BYTES);
  private readonly view = new DataView(this.memory.bytes.buffer);
  private firstAddress = 0;
  private count = 0;

  begin(): void {
    this.count = 0;
  }

  /** False when there is no room for more. */
  add(address: number, expected: number): boolean {
    if (this.count === FUTEX_WAITERS_MAX) return false;
    if (this.count === 0) this.firstAddress = address;
    const at = this.count++ * WAITER_BYTES;
    this.view.setUint32(at, expected >>> 0, true);
    this.view.setUint32(at + 8, address, true);
    this.view.setUint32(at + 12, address / 2 ** 32, true);
    this.view.setUint32(at + 16, FUTEX2_SIZE_U32, true);
    return true;
  }

  /**
   * Waits until the clock, CLOCK_MONOTONIC in ns, shows `deadlineNs` (-1 without end). Returns 0 when woken, or
   * -errno: EAGAIN (a word differs), ETIMEDOUT, EINTR, ENOSYS.
   */
  wait(deadlineNs: number): number {
    if (deadlineNs >= 0) {
      const seconds = Math.floor(deadlineNs / 1e9);
      timeoutView.setUint32(0, seconds, true);
      timeoutView.setUint32(8, deadlineNs - seconds * 1e9, true);
    }
    const deadline = deadlineNs >= 0 ? timeout.address : 0;
    const result = this.count === 1 ? this.waitForOne(deadline) : this.waitForAny(deadline);
    return result === -1 ? -lastErrno() : 0;
  }

  /** For one word there is a system call that takes half the time. */
  private waitForOne(deadline: number): number {
    const { firstAddress, view } = this;
    const expected = view.getUint32(0, true);
    return futex(
      SYS_FUTEX,
      firstAddress,
      FUTEX_WAIT_BITSET,
      expected,
      deadline,
      0,
      FUTEX_BITSET_MATCH_ANY,
    );
  }

  private waitForAny(deadline: number): number {
    const { address } = this.memory;
    return futexWaitv(SYS_FUTEX_WAITV, address, this.count, 0, deadline, CLOCK_MONOTONIC);
  }
}

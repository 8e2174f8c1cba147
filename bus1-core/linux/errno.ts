import { constants } from 'node:os';
import { lastErrno, strerror } from './libc.js';

/**
 * The error numbers that some code here distinguishes (asm-generic/errno.h); the same on all supported
 * machines.
 */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EPIPE: 32,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENODATA: 61,
  ENOTSOCK: 88,
  EMSGSIZE: 90,
  ENOPROTOOPT: 92,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETOOMANYREFS: 109,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const;

const names = new Map<number, string>();
for (const [name, value] of [...Object.entries(constants.errno), ...Object.entries(Errno)]) {
  names.set(value, name); // ours last: they win over aliases such as EWOULDBLOCK
}

/** 'EAGAIN' for 11; 'E1234' for a number without a name. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** A system call failed: which (`call`), and why (`errno`, and `code` such as 'EAGAIN'). */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly call: string;

  constructor(call: string, errno: number, detail?: string) {
    const code = errnoName(errno);
    super(`${call}: ${code} (${strerror(errno)})${detail === undefined ? '' : `: ${detail}`}`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = errno;
    this.call = call;
  }
}

/**
 * Passes on the result of a C call, or throws a SystemError for -1. To be called right after it.
 */
export function check(result: number, call: string, detail?: string): number {
  if (result !== -1) return result;
  throw new SystemError(call, lastErrno(), detail);
}

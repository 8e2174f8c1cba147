import { check, Errno, SystemError } from './errno.js';
import { close, closeRange, fcntl, getsockopt, lastErrno } from './libc.js';

// fcntl(2), asm-generic/fcntl.h and linux/fcntl.h.
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0o4000;

// socket(7), asm-generic/socket.h.
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;

/**
 * Closes a descriptor. Throws for one that is not open: that is a bug, which could otherwise close an unrelated
 * one.
 */
export function closeFd(fd: number): void {
  if (close(fd) === 0) return;
  const errno = lastErrno();
  if (errno === Errno.EBADF) throw new SystemError('close', errno, `descriptor ${fd}`);
  // close(2): after any other error Linux has released the descriptor all the same.
}

/** A second descriptor for the same open file, close-on-exec. */
export function duplicate(fd: number): number {
  return check(fcntl(fd, F_DUPFD_CLOEXEC, 0), 'fcntl(F_DUPFD_CLOEXEC)', `descriptor ${fd}`);
}

export function setNonBlocking(fd: number, on = true): void {
  const flags = check(fcntl(fd, F_GETFL, 0), 'fcntl(F_GETFL)', `descriptor ${fd}`);
  const wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  check(fcntl(fd, F_SETFL, wanted), 'fcntl(F_SETFL)', `descriptor ${fd}`);
}

export function setCloseOnExec(fd: number, on: boolean): void {
  const flags = check(fcntl(fd, F_GETFD, 0), 'fcntl(F_GETFD)', `descriptor ${fd}`);
  const wanted = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
  check(fcntl(fd, F_SETFD, wanted), 'fcntl(F_SETFD)', `descriptor ${fd}`);
}

/** The same number on all architectures; linux/close_range.h. */
const SYS_CLOSE_RANGE = 436;
const FD_MAX = 0xffff_ffff;
const CLOSE_RANGE_CLOEXEC = 4;

/** For all open descriptors from `first` on; false on a Linux that cannot do it at once (before 5.11). */
export function setAllCloseOnExec(first: number): boolean {
  return closeRange(SYS_CLOSE_RANGE, first, FD_MAX, CLOSE_RANGE_CLOEXEC) === 0;
}

/** True for an open descriptor of a socket; false for any other, open or not. */
export function isSocket(fd: number): boolean {
  return socketOption(fd, SO_DOMAIN) !== undefined;
}

/**
 * The socket's address family: 1 AF_UNIX, 2 AF_INET, 10 AF_INET6; undefined when it is no socket.
 */
export function socketDomain(fd: number): number | undefined {
  return socketOption(fd, SO_DOMAIN);
}

/** True for a socket that accepts connections. */
export function isListening(fd: number): boolean {
  return socketOption(fd, SO_ACCEPTCONN) === 1;
}

const optionValue = new Int32Array(1);
/** getsockopt(2) sets it to the length of the value, which is the same for all of these options. */
const optionLength = new Uint32Array([4]);

function socketOption(fd: number, option: number): number | undefined {
  const failed = getsockopt(fd, SOL_SOCKET, option, optionValue, optionLength) !== 0;
  return failed ? undefined : optionValue[0];
}

import { check, Errno, SystemError } from './errno.js';
import { closeFd } from './fd.js';
import { eventfd, lastErrno, read, write } from './libc.js';
import { allocateBytes } from './native-memory.js';

// sys/eventfd.h; see eventfd(2).
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

const ONE = allocateBytes(8);
ONE.bytes[0] = 1;
const SINK = allocateBytes(8);

/** A counter that wakes an epoll loop; non-blocking, close-on-exec. */
export class EventFd {
  readonly fd: number;

  /** Takes over `fd`, a received eventfd, or makes a new one. */
  constructor(fd?: number) {
    this.fd = fd ?? check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd');
  }

  notify(): void {
    if (write(this.fd, ONE.address, 8) === 8) return;
    const errno = lastErrno();
    // EAGAIN: the counter is at its maximum, so the waiter wakes anyway.
    if (errno !== Errno.EAGAIN) throw new SystemError('write', errno, `eventfd ${this.fd}`);
  }

  /** Sets the counter back to zero. */
  drain(): void {
    if (read(this.fd, SINK.address, 8) === 8) return;
    const errno = lastErrno();
    if (errno !== Errno.EAGAIN) throw new SystemError('read', errno, `eventfd ${this.fd}`);
  }

  close(): void {
    closeFd(this.fd);
  }
}

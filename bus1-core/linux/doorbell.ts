import { Errno, SystemError } from './errno.js';
import { lastErrno, send } from './libc.js';
import { closeSocket, discardInput } from './message-io.js';
import { allocateBytes } from './native-memory.js';
import { socketPair } from './socket.js';

// linux/socket.h; see send(2).
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

const RING = allocateBytes(1);
/**
 * A socket's buffer holds some 270 rings (wmem_default and the size of an skb, net/core/sock.c), and a process that
 * keeps the rules rings once for each sleep.
 */
const EVENTS_PER_DRAIN = 64;

/**
 * Wakes another process, which need not be trusted: each side has one end of a stream socket, an open file description
 * of its own. The other side can fill the buffer, stop reading or hang up; ringing then has no effect, and never
 * blocks. An eventfd would be one description for both: either side could clear O_NONBLOCK and fill the counter, and
 * the next write(2) would never return. A pipe does not help: a reader whose page fault is never served (FUSE,
 * userfaultfd) holds the pipe's lock, which write(2) takes.
 */
export class Doorbell {
  readonly fd: number;
  private events = 0;

  /** Takes over `fd`, one end. */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** The two ends of a doorbell: one to wait at, one to ring. @throws SystemError */
  static makePair(): [waiting: number, ringing: number] {
    return socketPair();
  }

  /** Wakes the process that waits at the other end, if there still is one. */
  // hot
  ring(): void {
    if (send(this.fd, RING.address, 1, MSG_DONTWAIT | MSG_NOSIGNAL) === 1) return;
    if (lastErrno() === Errno.EBADF) throw notOpen(this.fd);
  }

  /** To be called when an edge-triggered epoll instance has reported this end. */
  // hot
  noteEvent(): void {
    if (++this.events % EVENTS_PER_DRAIN === 0) discardInput(this.fd);
  }

  close(): void {
    closeSocket(this.fd);
  }
}

/** Ringing a closed doorbell is a bug: a reused descriptor number would ring the bell of another channel. */
function notOpen(fd: number): SystemError {
  return new SystemError('send', Errno.EBADF, `doorbell ${fd}`);
}

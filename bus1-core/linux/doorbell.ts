import { Errno, SystemError } from './errno.js';
import { closeFd } from './fd.js';
import { lastErrno, recv, send } from './libc.js';
import { allocateBytes } from './native-memory.js';
import { socketPair } from './socket.js';

// linux/socket.h; see send(2).
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

const RING = allocateBytes(1);
const DRAINED = allocateBytes(4096);
/**
 * A socket's buffer holds some 270 rings (wmem_default and the size of an skb, net/core/sock.c), and a process that
 * keeps the rules rings once for each sleep.
 */
const EVENTS_PER_DRAIN = 64;

/**
 * What wakes another process, which need not be trusted: each side has one end of a stream socket, an open file
 * description of its own. The other side can fill the buffer, stop reading or hang up; to ring then has no effect, and
 * never waits. An eventfd would be one description for both: who has it can clear O_NONBLOCK and fill the counter, and
 * the next write(2) never returns. A pipe does not help: a reader whose memory does not answer (FUSE, userfaultfd)
 * holds the pipe's lock, which write(2) takes.
 */
export class Doorbell {
  readonly fd: number;
  private events = 0;

  /** Takes over `fd`, one end. */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** Two ends: to wait at, and to ring at. @throws SystemError */
  static makePair(): [waiting: number, ringing: number] {
    return socketPair();
  }

  /** Wakes the process that waits at the other end, if there still is one. */
  // hot
  ring(): void {
    if (send(this.fd, RING.address, 1, MSG_DONTWAIT | MSG_NOSIGNAL) === 1) return;
    if (lastErrno() === Errno.EBADF) throw notOpen(this.fd);
  }

  /** An edge-triggered epoll instance has reported this end. */
  // hot
  noteEvent(): void {
    if (++this.events % EVENTS_PER_DRAIN === 0) recv(this.fd, DRAINED.address, 4096, MSG_DONTWAIT);
  }

  close(): void {
    closeFd(this.fd);
  }
}

/** A bug of ours: without this error it would ring a bell that belongs to another channel. */
function notOpen(fd: number): SystemError {
  return new SystemError('send', Errno.EBADF, `doorbell ${fd}`);
}

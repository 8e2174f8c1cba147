import { Errno } from './errno.js';
import { closeFd } from './fd.js';
import { close, lastErrno, recv, recvmsg, send, sendmsg, shutdown } from './libc.js';
import { allocateBytes } from './native-memory.js';
import { closeReceived } from './received-descriptor.js';
import type { Boxed } from '../stable-shape.js';

// asm-generic/socket.h and linux/socket.h; see recvmsg(2), sendmsg(2).
const MSG_CTRUNC = 0x8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SCM_PIDFD = 4;

/** Most descriptors that one message can carry: SCM_MAX_FD, include/net/scm.h; unix(7). */
export const SCM_MAX_FD = 253;

/**
 * Most pieces of one gather write. 32 small messages already cost little more than one; UIO_MAXIOV
 * is 1024.
 */
export const SEND_PIECES_MAX = 64;

// struct msghdr on 64-bit Linux: name, namelen, iov, iovlen, control, controllen, flags.
const MSGHDR_BYTES = 56;
const MSGHDR_IOV = 16;
const MSGHDR_IOVLEN = 24;
const MSGHDR_CONTROL = 32;
const MSGHDR_CONTROLLEN = 40;
const MSGHDR_FLAGS = 48;
const IOVEC_BYTES = 16; // base, len
// struct cmsghdr: len, level, type; then the data, padded to 8 bytes; see cmsg(3).
const CMSGHDR_BYTES = 16;
const CMSGHDR_LEVEL = 8;
const CMSGHDR_TYPE = 12;

// Room for what the maker of a listening socket may have switched on: credentials, a security
// label, a pidfd.
const OTHER_CMSGS_BYTES = 512;

/**
 * Room for all that one message can carry, whatever the caller has room for: the kernel closes what does not fit, and
 * that may wait (`closeReceived`).
 */
const CONTROL_BYTES = CMSGHDR_BYTES + ((SCM_MAX_FD * 4 + 7) & ~7) + OTHER_CMSGS_BYTES;

/** What `shutdown` stops: more input. */
const SHUT_RD = 0;
/** Read at once from a socket that is being closed. */
const UNREAD_BYTES = 4096;
/**
 * How often, at most. A socket's buffer (wmem_default, socket(7)) holds some 270 messages with descriptors; a TCP
 * connection, which has none, may go on to receive.
 */
const UNREAD_READS_MAX = 1024;

const TWO_POW_32 = 2 ** 32;

/** Writes a 64-bit word below 2^53; the two halves keep BigInt out of the hot path. */
function setWord64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value, true);
  view.setUint32(offset + 4, value / TWO_POW_32, true);
}

/** recv(2). Returns the bytes read, 0 at the end of the stream, or -errno. */
export function recvBytes(fd: number, address: number, lengthBytes: number): number {
  for (;;) {
    const count = recv(fd, address, lengthBytes, 0);
    if (count >= 0) return count;
    const errno = lastErrno();
    if (errno !== Errno.EINTR) return -errno;
  }
}

/**
 * send(2) without SIGPIPE. Returns the bytes written, which may be fewer than asked for, or -errno.
 */
export function sendBytes(fd: number, address: number, lengthBytes: number): number {
  for (;;) {
    const count = send(fd, address, lengthBytes, MSG_NOSIGNAL);
    if (count >= 0) return count;
    const errno = lastErrno();
    if (errno !== Errno.EINTR) return -errno;
  }
}

/** recvmsg(2) with its structures laid out once; one for a thread is enough. */
export class MessageReceiver {
  /**
   * The descriptors of the last receive, valid up to `fdCount`. They are the caller's: to be kept
   * or closed.
   */
  readonly fds: Int32Array;
  fdCount = 0;
  /**
   * Descriptors were lost on the way: no room here, or none in this process's descriptor table
   * (MSG_CTRUNC).
   */
  truncated = false;
  readonly #view: DataView;
  readonly #address: Boxed = null;
  readonly #control = MSGHDR_BYTES + IOVEC_BYTES;

  constructor(capacity: number = SCM_MAX_FD) {
    this.fds = new Int32Array(capacity);
    const { bytes, address } = allocateBytes(this.#control + CONTROL_BYTES);
    this.#address = address;
    this.#view = new DataView(bytes.buffer);
    setWord64(this.#view, MSGHDR_IOV, address + MSGHDR_BYTES);
    setWord64(this.#view, MSGHDR_IOVLEN, 1);
    setWord64(this.#view, MSGHDR_CONTROL, address + this.#control);
  }

  /**
   * Returns the bytes read, 0 at the end of the stream, or -errno. Descriptors are close-on-exec. `flags`: recvmsg(2).
   */
  receive(fd: number, address: number, lengthBytes: number, flags = 0): number {
    const view = this.#view;
    this.fdCount = 0;
    this.truncated = false;
    setWord64(view, MSGHDR_BYTES, address);
    setWord64(view, MSGHDR_BYTES + 8, lengthBytes);
    for (;;) {
      view.setUint32(MSGHDR_CONTROLLEN, CONTROL_BYTES, true);
      const count = recvmsg(fd, this.#address!, MSG_CMSG_CLOEXEC | flags);
      if (count >= 0) {
        if (view.getUint32(MSGHDR_CONTROLLEN, true) !== 0) this.#takeDescriptors();
        if ((view.getUint32(MSGHDR_FLAGS, true) & MSG_CTRUNC) !== 0) this.truncated = true;
        return count;
      }
      const errno = lastErrno();
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  /** Appends the descriptors of the last receive to `list`. */
  addFdsTo(list: number[]): void {
    if (this.fdCount > 0) list.push(...this.fds.subarray(0, this.fdCount));
  }

  #takeDescriptors(): void {
    const view = this.#view;
    const end = this.#control + view.getUint32(MSGHDR_CONTROLLEN, true);
    let at = this.#control;
    while (at + CMSGHDR_BYTES <= end) {
      const length = view.getUint32(at, true);
      if (length < CMSGHDR_BYTES) return;
      const level = view.getInt32(at + CMSGHDR_LEVEL, true);
      const type = view.getInt32(at + CMSGHDR_TYPE, true);
      const dataEnd = Math.min(at + length, end);
      for (let data = at + CMSGHDR_BYTES; data + 4 <= dataEnd; data += 4) {
        if (level !== SOL_SOCKET) break;
        if (type === SCM_RIGHTS) this.#take(view.getInt32(data, true));
        else if (type === SCM_PIDFD) close(view.getInt32(data, true));
        else break;
      }
      at += (length + 7) & ~7;
    }
  }

  #take(descriptor: number): void {
    if (this.fdCount < this.fds.length) {
      this.fds[this.fdCount++] = descriptor;
    } else {
      this.truncated = true;
      closeReceived(descriptor);
    }
  }
}

const unread = allocateBytes(UNREAD_BYTES);
const unreadReceiver = new MessageReceiver();

/** Reads once, and closes the descriptors that came. Returns the bytes read, 0 at the end, or -errno; never waits. */
export function discardInput(fd: number): number {
  const count = unreadReceiver.receive(fd, unread.address, UNREAD_BYTES, MSG_DONTWAIT);
  if (unreadReceiver.fdCount > 0) closeTaken(unreadReceiver);
  return count;
}

function closeTaken({ fds, fdCount }: MessageReceiver): void {
  for (const fd of fds.subarray(0, fdCount)) closeReceived(fd);
}

/**
 * Closes a socket whose other end need not be trusted. The kernel would close descriptors in messages that nobody has
 * read within close(2), and that may wait (`closeReceived`): so they are taken out first, after further input was shut.
 */
export function closeSocket(fd: number): void {
  const count = discardInput(fd);
  /* At its end nothing more can come. A listening socket, which fails here, may be the service manager's as well. */
  const mayHaveMore = count > 0 || count === -Errno.EAGAIN;
  if (mayHaveMore && shutdown(fd, SHUT_RD) === 0) {
    for (let reads = 0; reads < UNREAD_READS_MAX && discardInput(fd) > 0; reads++);
  }
  closeFd(fd);
}

/**
 * sendmsg(2) of several pieces of memory and descriptors; laid out once, one for a thread is
 * enough.
 */
export class MessageSender {
  #pieces = 0;
  #fdCount = 0;
  readonly #view: DataView;
  readonly #address: Boxed = null;
  readonly #control = MSGHDR_BYTES + SEND_PIECES_MAX * IOVEC_BYTES;

  constructor() {
    const { bytes, address } = allocateBytes(this.#control + CMSGHDR_BYTES + SCM_MAX_FD * 4 + 4);
    this.#address = address;
    this.#view = new DataView(bytes.buffer);
    setWord64(this.#view, MSGHDR_IOV, address + MSGHDR_BYTES);
    this.#view.setInt32(this.#control + CMSGHDR_LEVEL, SOL_SOCKET, true);
    this.#view.setInt32(this.#control + CMSGHDR_TYPE, SCM_RIGHTS, true);
  }

  get pieces(): number {
    return this.#pieces;
  }

  begin(): void {
    this.#pieces = 0;
    this.#fdCount = 0;
  }

  /** The memory must stay as it is until `send` has returned. */
  add(address: number, lengthBytes: number): void {
    if (this.#pieces === SEND_PIECES_MAX)
      throw new RangeError(`more than ${SEND_PIECES_MAX} pieces`);
    const at = MSGHDR_BYTES + this.#pieces * IOVEC_BYTES;
    setWord64(this.#view, at, address);
    setWord64(this.#view, at + 8, lengthBytes);
    this.#pieces++;
  }

  /** The kernel duplicates the descriptor; the caller's stays open. */
  addFd(fd: number): void {
    if (this.#fdCount === SCM_MAX_FD) throw new RangeError(`more than ${SCM_MAX_FD} descriptors`);
    this.#view.setInt32(this.#control + CMSGHDR_BYTES + this.#fdCount * 4, fd, true);
    this.#fdCount++;
  }

  /**
   * Returns the bytes written, which may be fewer than were added, or -errno. Descriptors have gone
   * out with the first byte: after a partial write the rest is sent without them.
   */
  send(fd: number): number {
    const view = this.#view;
    const fdBytes = this.#fdCount * 4;
    view.setUint32(MSGHDR_IOVLEN, this.#pieces, true);
    setWord64(view, MSGHDR_CONTROL, fdBytes === 0 ? 0 : this.#address! + this.#control);
    const controlBytes = fdBytes === 0 ? 0 : CMSGHDR_BYTES + ((fdBytes + 7) & ~7);
    view.setUint32(MSGHDR_CONTROLLEN, controlBytes, true);
    view.setUint32(this.#control, CMSGHDR_BYTES + fdBytes, true);
    for (;;) {
      const count = sendmsg(fd, this.#address!, MSG_NOSIGNAL);
      if (count >= 0) return count;
      const errno = lastErrno();
      if (errno !== Errno.EINTR) return -errno;
    }
  }
}

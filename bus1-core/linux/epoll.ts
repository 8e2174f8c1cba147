import { check, Errno, SystemError } from './errno.js';
import { closeFd } from './fd.js';
import { epollCreate1, epollCtl, epollWait, lastErrno } from './libc.js';
import { allocateBytes } from './native-memory.js';
import type { Boxed } from '../stable-shape.js';

// sys/epoll.h; see epoll_ctl(2).
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 16;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 1 << 31;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0o2000000;

// struct epoll_event { u32 events; u64 data; } is packed on x86_64 alone (linux/eventpoll.h,
// EPOLL_PACKED).
const PACKED = process.arch === 'x64';
const EVENT_BYTES = PACKED ? 12 : 16;
const DATA_OFFSET = PACKED ? 4 : 8;

/** An epoll instance; the data word of each event is its descriptor. */
export class Epoll {
  readonly fd: number;
  /** the most events that one wait returns */
  readonly maxEvents: number;
  readonly #view: DataView;
  readonly #address: Boxed = null;

  constructor(maxEvents = 64) {
    // One slot more than events, for the argument of epoll_ctl: changes must not spoil a result
    // being read.
    const { bytes, address } = allocateBytes((maxEvents + 1) * EVENT_BYTES);
    this.maxEvents = maxEvents;
    this.#view = new DataView(bytes.buffer);
    this.#address = address;
    this.fd = check(epollCreate1(EPOLL_CLOEXEC), 'epoll_create1');
  }

  add(fd: number, events: number): void {
    this.#control(EPOLL_CTL_ADD, fd, events);
  }

  modify(fd: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events);
  }

  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /**
   * Waits up to `timeoutMs` (-1 without end) and returns how many events there are; 0 on timeout or
   * EINTR. Throws SystemError otherwise. Allocates nothing.
   */
  wait(timeoutMs: number): number {
    const count = epollWait(this.fd, this.#address!, this.maxEvents, timeoutMs);
    if (count >= 0) return count;
    const errno = lastErrno();
    if (errno === Errno.EINTR) return 0;
    throw new SystemError('epoll_wait', errno);
  }

  /** Descriptor of the event `i` of the last wait. */
  fdAt(i: number): number {
    return this.#view.getInt32(i * EVENT_BYTES + DATA_OFFSET, true);
  }

  /** EPOLL* bits of the event `i` of the last wait. */
  eventsAt(i: number): number {
    return this.#view.getInt32(i * EVENT_BYTES, true);
  }

  close(): void {
    closeFd(this.fd);
  }

  #control(operation: number, fd: number, events: number): void {
    const slot = this.maxEvents * EVENT_BYTES;
    this.#view.setInt32(slot, events, true);
    this.#view.setInt32(slot + DATA_OFFSET, fd, true);
    this.#view.setInt32(slot + DATA_OFFSET + 4, 0, true);
    const result = epollCtl(this.fd, operation, fd, this.#address! + slot);
    check(result, 'epoll_ctl', `descriptor ${fd}`);
  }
}

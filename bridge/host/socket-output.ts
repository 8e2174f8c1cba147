import { Errno } from '#core/linux/index.js';

import type { Deadlines } from './deadlines.js';
import type { Outbox } from './outbox.js';
import type { Poller } from './poller.js';

/** Long enough to cost little processor time, short enough to go unnoticed. */
const ARRIVAL_RETRY_MS = 10;

/** The connection that the output belongs to. */
export interface OutputOwner {
  readonly fd: number;
  readonly outbox: Outbox;
  /** false: the socket is closed, or about to be */
  readonly live: boolean;
  /** Everything has been written. */
  drained(): void;
  /** Something waits for the socket. */
  heldUp?(): void;
  /** Writing failed with another error than for want of room. */
  brokenPipe(errno: number): void;
}

/** The way from an outbox into its socket, which may take less than there is. */
export class SocketOutput {
  /** nothing can be written for now */
  isBlocked = false;
  /** the reader has hung up: nothing that is written arrives */
  private isGone = false;
  private readonly owner: OutputOwner;
  private readonly poller: Poller;
  private readonly deadlines: Deadlines;

  constructor(owner: OutputOwner, poller: Poller, deadlines: Deadlines) {
    this.owner = owner;
    this.poller = poller;
    this.deadlines = deadlines;
  }

  /** The end of a turn in which the outbox grew. */
  // hot
  flush(): void {
    if (this.isBlocked) this.wait();
    else this.write();
  }

  /** The socket can take more output. */
  writable(): void {
    this.isBlocked = false;
    this.write();
    if (this.owner.live && !this.isBlocked) this.poller.setWriting(this.owner.fd, false);
  }

  /** The reader has hung up: what is queued, and what comes until the connection is closed, is discarded. */
  hangUp(): void {
    this.poller.setWriting(this.owner.fd, false);
    this.isGone = true;
    this.wait();
  }

  // hot
  private write(): void {
    const { owner } = this;
    const errno = owner.outbox.flush(owner.fd);
    if (errno === 0) owner.drained();
    else if (errno === Errno.EAGAIN) this.waitForReader();
    else if (errno === Errno.ETOOMANYREFS) this.waitForArrivals();
    else owner.brokenPipe(errno);
  }

  private waitForReader(): void {
    this.poller.setWriting(this.owner.fd, true);
    this.wait();
  }

  /** Too many descriptors are in flight to readers of this user (unix(7)); no event reports their arrival. */
  private waitForArrivals(): void {
    this.wait();
    this.deadlines.add(performance.now() + ARRIVAL_RETRY_MS, () => {
      if (this.owner.live) this.writable();
    });
  }

  private wait(): void {
    const { outbox } = this.owner;
    this.isBlocked = true;
    if (this.isGone) outbox.close();
    outbox.keepBorrowed();
    this.owner.heldUp?.();
  }
}

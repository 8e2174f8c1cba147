import { ChannelError } from '../errors.js';
import {
  allocateBytes,
  closeReceived,
  closeSocket,
  Errno,
  errnoName,
  MessageReceiver,
  MessageSender,
  SCM_MAX_FD,
  SpareDescriptor,
  type SharedMapping,
} from '../linux/index.js';

const RECORD_BYTES = 8; // sequence number u32, count u32

const sender = new MessageSender();
const receiver = new MessageReceiver(SCM_MAX_FD);
const record = allocateBytes(RECORD_BYTES);
/** reserved for the memfds of rings and of large messages */
const spare = new SpareDescriptor();
const recordView = new DataView(record.bytes.buffer);

/** Carries descriptors beside a ring: one record for each entry that has any, sent before the entry is published. */
export class DescriptorSocket {
  readonly fd: number;
  private sent = 0;
  private taken = 0;

  /** Takes over `fd`. */
  constructor(fd: number) {
    this.fd = fd;
    spare.save();
  }

  /** False when the socket is full; true when they have left, or the other side is gone. */
  send(fds: readonly number[]): boolean {
    recordView.setUint32(0, this.sent, true);
    recordView.setUint32(4, fds.length, true);
    sender.begin();
    sender.add(record.address, RECORD_BYTES);
    for (const fd of fds) sender.addFd(fd);
    const count = sender.send(this.fd);
    if (count === -Errno.EAGAIN || count === -Errno.ETOOMANYREFS) return false;
    this.sent = (this.sent + 1) >>> 0;
    return true;
  }

  /**
   * Maps the memory whose descriptor is next. The spare descriptor makes room for it, whatever else is open.
   *
   * @throws ChannelError, SystemError
   */
  takeMemory(map: (fd: number) => SharedMapping): SharedMapping {
    spare.giveUp();
    const [fd = -1] = this.take(1);
    try {
      if (fd < 0)
        throw new ChannelError(
          'the descriptor of the memory that it sent was lost: too many open files',
        );
      return map(fd);
    } finally {
      if (fd >= 0) closeReceived(fd);
      spare.save();
    }
  }

  /**
   * The `count` descriptors of the next record; fewer when this process has no room for them, and those are closed.
   *
   * @throws ChannelError when they were not sent
   */
  take(count: number): number[] {
    const read = receiver.receive(this.fd, record.address, RECORD_BYTES);
    const fds = [...receiver.fds.subarray(0, receiver.fdCount)];
    const isAnnounced =
      read === RECORD_BYTES &&
      recordView.getUint32(0, true) === this.taken &&
      recordView.getUint32(4, true) === count;
    if (!isAnnounced || (fds.length !== count && !receiver.truncated)) {
      for (const fd of fds) closeReceived(fd);
      const what = read < 0 ? errnoName(-read) : `${fds.length} of them`;
      throw new ChannelError(`${count} descriptors were announced, not sent: ${what}`);
    }
    this.taken = (this.taken + 1) >>> 0;
    if (fds.length === count) return fds;
    for (const fd of fds) closeReceived(fd);
    return [];
  }

  close(): void {
    closeSocket(this.fd);
  }
}

import {
  closeFd,
  Errno,
  EventFd,
  futexWake,
  memfdSeals,
  Seal,
  SharedMapping,
  SystemError,
} from '../linux/index.js';
import { CHANNEL_DESCRIPTORS, type ChannelMessage } from './control-messages.js';
import { DescriptorSocket } from './descriptor-socket.js';
import { channelBytes, RING_HEADER_BYTES, SleepMode } from './layout.js';
import { PeerPage } from './page.js';
import { ChannelError } from './protocol-error.js';
import { RingReader, RingWriter } from './ring.js';

/** What two processes share once they have been introduced: a ring each way, doorbells, a socket for descriptors. */
export class Channel {
  readonly writer: RingWriter;
  readonly reader: RingReader;
  readonly socket: DescriptorSocket;
  readonly page: PeerPage;
  /** rung by the other side */
  readonly bell: EventFd;
  /** times that the other side was woken, by either kind of doorbell */
  wakeups = 0;
  private readonly peerBell: EventFd;
  private readonly mapping: SharedMapping;
  private lastSleep = 0;

  /** Takes over the descriptors of a channel message of the authority. */
  constructor({ ringBytes, isFirst }: ChannelMessage, fds: readonly number[]) {
    if (fds.length !== CHANNEL_DESCRIPTORS) {
      for (const fd of fds) closeFd(fd);
      throw new ChannelError(`a channel with ${fds.length} descriptors`);
    }
    const [memory, bell, peerBell, socket, page] = fds;
    try {
      if ((memfdSeals(memory) & Seal.Shrink) === 0) throw new ChannelError('memory not sealed');
      this.mapping = SharedMapping.map(memory, channelBytes(ringBytes), { writable: true });
    } finally {
      closeFd(memory);
    }
    const first = 0;
    const second = RING_HEADER_BYTES + ringBytes;
    this.writer = new RingWriter(this.mapping, isFirst ? first : second, ringBytes);
    this.reader = new RingReader(this.mapping, isFirst ? second : first, ringBytes);
    this.bell = new EventFd(bell);
    this.peerBell = new EventFd(peerBell);
    this.socket = new DescriptorSocket(socket);
    this.page = new PeerPage(page);
  }

  /** Wakes the other side if it sleeps and was not woken by us since; to be called after publishing. */
  ring(): void {
    const word = this.page.sleepWord;
    const mode = word & 3;
    if (mode === SleepMode.Awake || word === this.lastSleep) return;
    this.lastSleep = word;
    this.wakeups++;
    if (mode === SleepMode.Futex) {
      this.writer.pushBell();
      futexWake(this.writer.bellAddress, 1);
    } else {
      notify(this.peerBell);
    }
  }

  close(): void {
    this.bell.close();
    this.peerBell.close();
    this.socket.close();
    this.page.close();
    this.mapping.unmap();
  }
}

/** The other side has the same descriptor and may have done anything to it, short of closing ours. */
function notify(bell: EventFd): void {
  try {
    bell.notify();
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno === Errno.EBADF) throw error;
  }
}

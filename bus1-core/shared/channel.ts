import { ChannelError } from '../errors.js';
import {
  closeFd,
  createMemfd,
  Doorbell,
  futexWake,
  memfdBytes,
  Seal,
  sealMemfd,
  SharedMapping,
  SystemError,
} from '../linux/index.js';
import { CHANNEL_DESCRIPTORS, type ChannelMessage } from './control-messages.js';
import { DescriptorSocket } from './descriptor-socket.js';
import {
  BACKLOG_MAX_BYTES,
  channelBytes,
  EntryOffset,
  EntryType,
  RING_BYTES_MAX,
  RING_BYTES_MIN,
  RING_HEADER_BYTES,
  SleepMode,
  SWITCH_BYTES,
  SwitchOffset,
} from './layout.js';
import { PeerPage } from './page.js';
import { RingReader, RingWriter } from './ring.js';

type ChannelFds = readonly [
  memory: number,
  bell: number,
  peerBell: number,
  socket: number,
  page: number,
];

function areOfChannel(fds: readonly number[]): fds is ChannelFds {
  return fds.length === CHANNEL_DESCRIPTORS;
}

/** What two processes share once they have been introduced: a ring each way, doorbells, a socket for descriptors. */
export class Channel {
  writer: RingWriter;
  reader: RingReader;
  /** the first rings: their bell words stay in use after larger rings have replaced them */
  readonly bellOfPeer: RingWriter;
  readonly bellOfOwn: RingReader;
  /** times that the other side switched to a larger ring */
  switches = 0;
  readonly socket: DescriptorSocket;
  readonly page: PeerPage;
  /** rung by the other side */
  readonly bell: Doorbell;
  /** times that the other side was woken, by either kind of doorbell */
  wakeups = 0;
  private readonly peerBell: Doorbell;
  private readonly mapping: SharedMapping;
  /** mappings of larger rings, both directions */
  private readonly larger: SharedMapping[] = [];
  private lastSleep = 0;

  /** Takes over the descriptors of a channel message of the authority. */
  constructor({ ringBytes, isFirst }: ChannelMessage, fds: readonly number[]) {
    if (!areOfChannel(fds)) {
      for (const fd of fds) closeFd(fd);
      throw new ChannelError(
        `a channel came with ${fds.length} descriptors, not ${CHANNEL_DESCRIPTORS}`,
      );
    }
    const [memory, bell, peerBell, socket, page] = fds;
    try {
      if (memfdBytes(memory, Seal.Shrink) < channelBytes(ringBytes)) {
        throw new ChannelError('memory not sealed');
      }
      this.mapping = SharedMapping.map(memory, channelBytes(ringBytes), { writable: true });
    } catch (error) {
      for (const fd of fds) closeFd(fd);
      throw error;
    }
    closeFd(memory);
    const first = 0;
    const second = RING_HEADER_BYTES + ringBytes;
    this.writer = new RingWriter(this.mapping, isFirst ? first : second, ringBytes);
    this.reader = new RingReader(this.mapping, isFirst ? second : first, ringBytes);
    this.bellOfPeer = this.writer;
    this.bellOfOwn = this.reader;
    this.bell = new Doorbell(bell);
    this.peerBell = new Doorbell(peerBell);
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
      this.bellOfPeer.pushBell();
      futexWake(this.bellOfPeer.bellAddress, 1);
    } else {
      this.peerBell.ring();
    }
  }

  /**
   * Continues in a larger ring, with room for `lengthBytes`. The old one, which is returned, has yet to be
   * published. Null when that is not possible: the ring has its largest size, the socket is full, or this process
   * has no descriptor or memory left. What does not fit then waits in this process's memory.
   */
  grow(lengthBytes: number, stampNs: number): RingWriter | null {
    let capacity = this.writer.capacity * 2;
    while (capacity < lengthBytes * 4) capacity *= 2;
    if (capacity > BACKLOG_MAX_BYTES) return null;
    const larger = this.makeRing(RING_HEADER_BYTES + capacity);
    if (larger === undefined) return null;
    this.larger.push(larger);
    const old = this.writer;
    const at = old.reserveSwitch();
    old.view.setUint32(at + EntryOffset.Length, SWITCH_BYTES, true);
    old.view.setUint32(at + EntryOffset.Type, EntryType.Switch, true);
    old.view.setFloat64(at + EntryOffset.Stamp, stampNs, true);
    old.view.setUint32(at + SwitchOffset.Capacity, capacity, true);
    this.writer = new RingWriter(larger, 0, capacity);
    this.writer.attach();
    return old;
  }

  /** Undefined when this process has no descriptor or memory for it, or the socket is full. */
  private makeRing(lengthBytes: number): SharedMapping | undefined {
    let fd = -1;
    let mapping: SharedMapping | undefined;
    try {
      fd = createMemfd('bus1-ring', lengthBytes);
      sealMemfd(fd, Seal.Shrink | Seal.Grow | Seal.Seal);
      mapping = SharedMapping.map(fd, lengthBytes, { writable: true });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
    const hasLeft = mapping !== undefined && this.socket.send([fd]);
    if (fd >= 0) closeFd(fd);
    if (hasLeft) return mapping;
    mapping?.unmap();
    return undefined;
  }

  /** Follows the other side into a ring of `capacity` bytes. @throws ChannelError */
  follow(capacity: number): void {
    const length = RING_HEADER_BYTES + capacity;
    const isPowerOfTwo = (capacity & (capacity - 1)) === 0;
    const isRing = capacity >= RING_BYTES_MIN && capacity <= RING_BYTES_MAX && isPowerOfTwo;
    const memory = this.socket.takeMemory((fd) => {
      const isLarger = isRing && capacity > this.reader.capacity;
      if (isLarger && memfdBytes(fd, Seal.Shrink) >= length) {
        return SharedMapping.map(fd, length, { writable: true });
      }
      throw new ChannelError(`a larger ring of ${capacity} bytes has a wrong size or lacks seals`);
    });
    this.larger.push(memory);
    this.reader.skip();
    this.reader.publish();
    this.reader = new RingReader(memory, 0, capacity);
    this.switches++;
  }

  /**
   * The other side may ring once more before it sees that the channel is closed, and ringing at a closed socket is
   * an error, or SIGPIPE. So the receiving end of the bell stays with the other side: it ends when that side closes
   * its socket.
   */
  close(): void {
    this.socket.send([this.bell.fd]);
    this.bell.close();
    this.peerBell.close();
    this.socket.close();
    this.page.close();
    this.mapping.unmap();
    for (const mapping of this.larger) mapping.unmap();
  }
}

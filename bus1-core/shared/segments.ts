import { ChannelError } from '../errors.js';
import {
  closeFd,
  createMemfd,
  keepFreedMemory,
  memfdBytes,
  Seal,
  sealMemfd,
  SharedMapping,
  SystemError,
} from '../linux/index.js';
import {
  SEGMENT_MAX_BYTES,
  SEGMENT_MIN_BYTES,
  SEGMENTS_BYTES_MAX,
  SEGMENTS_MAX,
} from './layout.js';
import type { DescriptorSocket } from './descriptor-socket.js';
import type { RingWriter } from './ring.js';

/** Sizes are powers of two, so that a segment fits the next message of about that size. */
function sizeFor(lengthBytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(lengthBytes, SEGMENT_MIN_BYTES)));
}

/** Memory of its own for one large message, used again once the receiver has taken that message out of the ring. */
export class Segment {
  readonly id: number;
  readonly mapping: SharedMapping;
  /** to be sent with the first message; -1 afterwards */
  fd: number;
  /** position in the ring up to which the receiver has to come; -1 while its entry is not in the ring yet */
  busyUntil = -1;
  /** the ring that `busyUntil` is a position in */
  ring: RingWriter | null = null;

  /** @throws SystemError when there is no descriptor or memory for it */
  constructor(id: number, lengthBytes: number) {
    this.id = id;
    this.fd = createMemfd('bus1-payload', lengthBytes);
    try {
      sealMemfd(this.fd, Seal.Shrink | Seal.Grow | Seal.Seal);
      this.mapping = SharedMapping.map(this.fd, lengthBytes, { writable: true });
    } catch (error) {
      closeFd(this.fd);
      throw error;
    }
  }

  /** The receiver has taken its last message out of the ring. */
  get isFree(): boolean {
    return this.busyUntil >= 0 && this.ring !== null && this.ring.hasPassed(this.busyUntil);
  }

  forgetDescriptor(): void {
    if (this.fd >= 0) closeFd(this.fd);
    this.fd = -1;
  }

  close(): void {
    this.forgetDescriptor();
    this.mapping.unmap();
  }
}

/** The sender's segments of one channel. */
export class SegmentPool {
  private segments: Segment[] = [];
  private lastId = 0;
  /** for the next message */
  private prepared: Segment | null = null;

  /**
   * Has a segment of at least `lengthBytes` ready for the next message. False when the receiver has left too much
   * unread, or this process has no descriptor or memory for it.
   */
  prepare(lengthBytes: number): boolean {
    const size = sizeFor(lengthBytes);
    if (this.prepared?.mapping.length === size) return true;
    this.prepared = this.findFree(size) ?? this.tryMake(size);
    return this.prepared !== null;
  }

  /** The prepared segment. IDs count up; the receiver keeps the newest few mapped. @throws SystemError without one */
  take(lengthBytes: number): Segment {
    const size = sizeFor(lengthBytes);
    const ready = this.prepared?.mapping.length === size ? this.prepared : this.findFree(size);
    const segment = ready ?? this.make(size);
    this.prepared = null;
    segment.busyUntil = -1;
    return segment;
  }

  private findFree(size: number): Segment | null {
    for (const segment of this.segments) {
      if (segment.mapping.length !== size || segment.id <= this.oldestKept) continue;
      if (segment.isFree) return segment;
    }
    return null;
  }

  private tryMake(size: number): Segment | null {
    this.trim();
    const bytes = this.segments.reduce((sum, { mapping }) => sum + mapping.length, 0);
    if (bytes + size > SEGMENTS_BYTES_MAX) return null;
    try {
      return this.make(size);
    } catch (error) {
      if (error instanceof SystemError) return null;
      throw error;
    }
  }

  private make(size: number): Segment {
    const segment = new Segment(this.lastId + 1, size);
    this.lastId++;
    this.segments.push(segment);
    this.trim();
    return segment;
  }

  close(): void {
    for (const segment of this.segments) segment.close();
    this.segments = [];
  }

  private get oldestKept(): number {
    return this.lastId - SEGMENTS_MAX;
  }

  /** The receiver forgets the oldest when there are more than it keeps: so does the sender, once they are free. */
  private trim(): void {
    this.segments = this.segments.filter((segment) => {
      if (segment.id > this.oldestKept || !segment.isFree) return true;
      segment.close();
      return false;
    });
  }
}

/** The receiver's mappings of a sender's segments. What is copied out of them is as large, and soon freed. */
export class SegmentMappings {
  private readonly mappings = new Map<number, SharedMapping>();

  /** Maps segment `id`, whose descriptor is the next in `socket`. @throws ChannelError, SystemError */
  add(id: number, socket: DescriptorSocket): void {
    keepFreedMemory();
    const memory = socket.takeMemory((fd) => {
      const size = memfdBytes(fd, Seal.Shrink);
      if (size > 0 && size <= SEGMENT_MAX_BYTES && !this.mappings.has(id)) {
        return SharedMapping.map(fd, size, { writable: false });
      }
      throw new ChannelError(`segment ${id} has a wrong size or lacks seals`);
    });
    this.mappings.set(id, memory);
    for (const [old, mapping] of this.mappings) {
      if (this.mappings.size <= SEGMENTS_MAX) return;
      mapping.unmap();
      this.mappings.delete(old);
    }
  }

  /** @throws ChannelError when it is not there or too short */
  get(id: number, lengthBytes: number): SharedMapping {
    const mapping = this.mappings.get(id);
    if (mapping === undefined || lengthBytes > mapping.length) {
      throw new ChannelError(`${lengthBytes} bytes of segment ${id}, which is smaller or missing`);
    }
    return mapping;
  }

  close(): void {
    for (const mapping of this.mappings.values()) mapping.unmap();
    this.mappings.clear();
  }
}

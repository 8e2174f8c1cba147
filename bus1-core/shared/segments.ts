import {
  closeFd,
  createMemfd,
  keepFreedMemory,
  memfdBytes,
  Seal,
  sealMemfd,
  SharedMapping,
} from '../linux/index.js';
import { SEGMENT_MAX_BYTES, SEGMENT_MIN_BYTES, SEGMENTS_MAX } from './layout.js';
import { ChannelError } from './protocol-error.js';
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

  constructor(id: number, lengthBytes: number) {
    this.id = id;
    this.fd = createMemfd('bus1-payload', lengthBytes);
    this.mapping = SharedMapping.map(this.fd, lengthBytes, { writable: true });
    sealMemfd(this.fd, Seal.Shrink | Seal.Grow | Seal.Seal);
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

  /** A segment that nobody reads, of at least `lengthBytes`. IDs count up; the receiver keeps the newest few mapped. */
  take(lengthBytes: number): Segment {
    const size = sizeFor(lengthBytes);
    for (const segment of this.segments) {
      if (segment.mapping.length !== size || segment.id <= this.oldestKept) continue;
      if (!segment.isFree) continue;
      segment.busyUntil = -1;
      return segment;
    }
    const segment = new Segment(++this.lastId, size);
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

/** The receiver's mappings of them. What is copied out of them is as large, and soon freed. */
export class SegmentMappings {
  private readonly mappings = new Map<number, SharedMapping>();

  /** Maps segment `id`, whose descriptor has just arrived and is taken over. @throws ChannelError */
  add(id: number, fd: number): void {
    keepFreedMemory();
    try {
      const size = memfdBytes(fd, Seal.Shrink);
      if (size <= 0 || size > SEGMENT_MAX_BYTES || this.mappings.has(id)) {
        throw new ChannelError(`segment ${id} is not as it must be`);
      }
      this.mappings.set(id, SharedMapping.map(fd, size, { writable: false }));
    } finally {
      closeFd(fd);
    }
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
      throw new ChannelError(`${lengthBytes} bytes of segment ${id}, which has fewer`);
    }
    return mapping;
  }

  close(): void {
    for (const mapping of this.mappings.values()) mapping.unmap();
    this.mappings.clear();
  }
}

import { ChannelError } from '../errors.js';
import { closeReceived } from '../linux/index.js';
import { allocateUncleared } from '../message.js';
import { HANDLES_MAX, MessageOffset, REFERENCE_BYTES } from './layout.js';
import type { SegmentMappings } from './segments.js';
import type { Channel } from './channel.js';

const DESCRIPTORS_MAX = 253;
const STAGING_BYTES = 1 << 16;
/** Fewer bytes are copied word by word: a view of part of an array costs more than that. */
const WORDWISE_MAX = 384;
const NO_WORDS = new Int32Array(0);

/**
 * A message entry, read out of shared memory: each word once, and checked before it is used. The bytes stay where they
 * are until `copyBytes`.
 */
export class IncomingMessage {
  target = 0;
  trace = 0;
  account = 0;
  releases = 0;
  handleCount = 0;
  descriptorCount = 0;
  /** descriptors that were sent, but for which this process had no room */
  lostDescriptors = 0;
  lengthBytes = 0;
  /** four words for each handle: kind and flags, ID or nonce, uid, process */
  references = new Uint32Array(64);
  /** the bytes: `lengthBytes` at `offset` of `source`, which the sender can still write to */
  source: Uint8Array = new Uint8Array(0);
  offset = 0;
  private segment = 0;
  private segmentBytes = 0;
  /** the ring that `source` is, as words */
  private words: Int32Array = NO_WORDS;
  private staging = new Uint8Array(STAGING_BYTES);
  private stagingWords = new Int32Array(this.staging.buffer);

  /** Reads the entry of `length` bytes at `at` of the ring of `channel`. @throws ChannelError */
  read(channel: Channel, at: number, length: number): void {
    const { view } = channel.reader;
    if (length < MessageOffset.Body) throw new ChannelError(`a message of only ${length} bytes`);
    this.target = view.getUint32(at + MessageOffset.Target, true);
    this.trace = view.getUint32(at + MessageOffset.Trace, true);
    this.account = view.getUint32(at + MessageOffset.Account, true);
    this.handleCount = view.getUint32(at + MessageOffset.Handles, true);
    this.descriptorCount = view.getUint32(at + MessageOffset.Descriptors, true);
    this.lengthBytes = view.getUint32(at + MessageOffset.Bytes, true);
    this.segment = view.getUint32(at + MessageOffset.Segment, true);
    this.segmentBytes = view.getUint32(at + MessageOffset.SegmentBytes, true);
    this.releases = view.getUint32(at + MessageOffset.Releases, true);
    this.lostDescriptors = 0;
    if (this.handleCount > HANDLES_MAX || this.descriptorCount > DESCRIPTORS_MAX) {
      throw new ChannelError(
        `a message with ${this.handleCount} handles and ${this.descriptorCount} descriptors: too many`,
      );
    }
    const bodyBytes = this.handleCount * REFERENCE_BYTES + this.lengthBytes;
    if (this.segment === 0 && bodyBytes > length - MessageOffset.Body) {
      throw new ChannelError(`a body of ${bodyBytes} bytes in an entry of ${length} bytes`);
    }
    this.source = channel.reader.bytes;
    this.words = channel.reader.quads;
    this.offset = at + MessageOffset.Body;
    if (this.segment === 0) this.readReferences(view);
  }

  /** Maps the segment that the body is in, if any. @throws ChannelError */
  locateBody(channel: Channel, segments: SegmentMappings): void {
    if (this.segment === 0) return;
    if (this.segmentBytes > 0) segments.add(this.segment, channel.socket);
    this.segmentBytes = 0;
    const bodyBytes = this.handleCount * REFERENCE_BYTES + this.lengthBytes;
    const mapping = segments.get(this.segment, bodyBytes);
    this.source = mapping.bytes;
    this.offset = 0;
    this.readReferences(mapping.view);
  }

  get isInSegment(): boolean {
    return this.segment !== 0;
  }

  /** The bytes, in memory of their own. */
  copyOut(): Uint8Array {
    const bytes = allocateUncleared(this.lengthBytes);
    bytes.set(this.source.subarray(this.offset, this.offset + this.lengthBytes));
    return bytes;
  }

  /** The bytes, in private memory that is good until the next message. */
  copyBytes(): Uint8Array {
    const length = this.lengthBytes;
    if (this.staging.length < length) this.growStaging(length);
    const { staging, source, offset } = this;
    if (length <= WORDWISE_MAX && this.segment === 0) {
      copyWords(this.words, offset >>> 2, (length + 3) >>> 2, this.stagingWords);
    } else {
      staging.set(source.subarray(offset, offset + length));
    }
    return staging;
  }

  /**
   * The descriptors that came with it, the caller's; none when this process had no room for them.
   *
   * @throws ChannelError
   */
  takeDescriptors(channel: Channel): number[] {
    return this.descriptorCount === 0 ? [] : channel.socket.take(this.descriptorCount);
  }

  dropDescriptors(channel: Channel): void {
    for (const fd of this.takeDescriptors(channel)) closeReceived(fd);
  }

  private growStaging(length: number): void {
    this.staging = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
    this.stagingWords = new Int32Array(this.staging.buffer);
  }

  private readReferences(view: DataView): void {
    const words = this.handleCount * (REFERENCE_BYTES / 4);
    if (words > this.references.length) this.references = new Uint32Array(words * 2);
    for (let i = 0; i < words; i++) {
      this.references[i] = view.getUint32(this.offset + i * 4, true);
    }
    this.offset += this.handleCount * REFERENCE_BYTES;
  }
}

/** Four words a round: V8 checks both arrays in every round of a loop, not for every access. */
function copyWords(from: Int32Array, first: number, count: number, to: Int32Array): void {
  let i = 0;
  for (let at = first; i + 4 <= count; i += 4, at += 4) {
    to[i] = from[at];
    to[i + 1] = from[at + 1];
    to[i + 2] = from[at + 2];
    to[i + 3] = from[at + 3];
  }
  for (; i < count; i++) to[i] = from[first + i];
}

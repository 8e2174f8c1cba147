import type { DescriptorSet } from '../descriptors.js';
import type { Channel } from './channel.js';
import { monotonicNs } from './clock.js';
import {
  BACKLOG_GIVE_UP_BYTES,
  BACKLOG_MAX_BYTES,
  EntryOffset,
  EntryType,
  WAITING_ENTRY_BYTES,
} from './layout.js';
import type { RingWriter } from './ring.js';
import type { Segment } from './segments.js';

/** An entry that found no room in the ring, or was written before there was a channel. */
interface WaitingEntry {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly descriptors: DescriptorSet | null;
  readonly segment: Segment | null;
}

/**
 * Entries for one other process: in the ring or, when that is full, in memory of this process, in order. An entry is
 * opened, filled in at `at` of `view` and `bytes`, and counts when its transaction has been committed.
 */
export class RingOutbox {
  view: DataView = new DataView(new ArrayBuffer(0));
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  /** takes part in the transaction that is under way */
  isTouched = false;
  /** nothing in this transaction is worth waking anybody for */
  isQuiet = false;
  /** entries opened so far */
  opened = 0;
  /** the entry that was opened last is being written */
  isFilling = false;
  /** memory of this process that entries waiting for room take */
  private waitingBytes = 0;
  private channel: Channel | null = null;
  private waiting: WaitingEntry[] = [];
  /** of this transaction: entries in the ring, and the first one that waits */
  private readonly offsets: number[] = [];
  private readonly views: DataView[] = [];
  /** rings that were left for a larger one in this transaction */
  private left: RingWriter[] = [];
  private offsetCount = 0;
  private firstWaiting = 0;

  get hasWaiting(): boolean {
    return this.waiting.length > 0;
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  /** Whether a message can be added to what the other side has not taken. */
  get hasRoom(): boolean {
    if (this.backlogBytes <= BACKLOG_MAX_BYTES) return true;
    this.channel?.writer.look();
    return this.backlogBytes <= BACKLOG_MAX_BYTES;
  }

  /** The other side has left far more unread than a reader that is merely slow would. */
  get isGivenUp(): boolean {
    if (this.backlogBytes <= BACKLOG_GIVE_UP_BYTES) return false;
    this.channel?.writer.look();
    return this.backlogBytes > BACKLOG_GIVE_UP_BYTES;
  }

  private get backlogBytes(): number {
    const channel = this.channel;
    return this.waitingBytes + (channel === null ? 0 : channel.writer.unreadBytes);
  }

  connect(channel: Channel): void {
    this.channel = channel;
  }

  /** Makes room for an entry; `length` is a multiple of 8. Its descriptors and its segment are sent along. */
  open(
    type: EntryType,
    length: number,
    descriptors: DescriptorSet | null = null,
    segment: Segment | null = null,
  ): void {
    this.opened++;
    const offset = this.waiting.length > 0 ? -1 : this.place(length, descriptors, segment);
    if (offset >= 0) {
      this.view = this.channel!.writer.view;
      this.bytes = this.channel!.writer.bytes;
      this.at = offset;
      this.views[this.offsetCount] = this.view;
      this.offsets[this.offsetCount++] = offset;
    } else {
      this.bytes = new Uint8Array(length);
      this.view = new DataView(this.bytes.buffer);
      this.at = 0;
      const { bytes, view } = this;
      this.waiting.push({ bytes, view, descriptors: descriptors?.retain() ?? null, segment });
      this.waitingBytes += Math.max(length, WAITING_ENTRY_BYTES);
    }
    this.view.setUint32(this.at + EntryOffset.Length, length, true);
    this.view.setUint32(this.at + EntryOffset.Type, type, true);
    this.view.setFloat64(this.at + EntryOffset.Stamp, 0, true);
  }

  /** Turns the entry that was opened last into padding, if it is not complete. */
  abandonUnfinished(): void {
    if (this.isFilling) this.view.setUint32(this.at + EntryOffset.Type, EntryType.Pad, true);
    this.isFilling = false;
  }

  /** Gives all entries of this transaction its number. */
  number(transaction: number): void {
    for (let i = 0; i < this.offsetCount; i++) {
      this.views[i].setUint32(this.offsets[i] + EntryOffset.Transaction, transaction, true);
    }
  }

  /** Gives all entries of this transaction its stamp: with it they count. */
  stamp(stampNs: number): void {
    for (let i = 0; i < this.offsetCount; i++) {
      this.views[i].setFloat64(this.offsets[i] + EntryOffset.Stamp, stampNs, true);
    }
    for (let i = this.firstWaiting; i < this.waiting.length; i++) {
      this.waiting[i].view.setFloat64(EntryOffset.Stamp, stampNs, true);
    }
  }

  /** Makes the entries in the ring visible. */
  publish(): void {
    if (this.offsetCount > 0) this.channel!.writer.publish();
    if (this.left.length > 0) this.publishLeft();
  }

  /** Ends the transaction: wakes the other side, unless its entries can wait until the other side wakes anyway. */
  finish(): void {
    this.isTouched = false;
    if (this.offsetCount > 0 && !this.isQuiet) this.channel!.ring();
    this.isQuiet = false;
    this.offsetCount = 0;
    if (this.waiting.length > 0) this.channel?.writer.wantRoom(true);
    this.firstWaiting = this.waiting.length;
  }

  /** Moves what waits into the ring, as far as there is room. Not during a transaction. */
  flush(): void {
    const channel = this.channel;
    if (channel === null || this.waiting.length === 0) return;
    let moved = this.moveWaiting(channel);
    if (this.waiting.length > 0) {
      // The receiver may have made room before it could see the request for it.
      channel.writer.wantRoom(true);
      moved += this.moveWaiting(channel);
    }
    if (this.waiting.length === 0) channel.writer.wantRoom(false);
    this.firstWaiting = this.waiting.length;
    if (moved === 0) return;
    channel.writer.publish();
    this.publishLeft();
    channel.ring();
  }

  /** Forgets everything: the other side is gone. */
  close(): void {
    for (const { descriptors } of this.waiting) descriptors?.drop();
    this.waiting = [];
    this.waitingBytes = 0;
    this.offsetCount = 0;
    this.firstWaiting = 0;
    this.channel = null;
  }

  /** After the new ring: a reader that follows into it must find the rest of the same transaction there. */
  private publishLeft(): void {
    for (const ring of this.left) ring.publish();
    this.left = [];
  }

  private moveWaiting(channel: Channel): number {
    let moved = 0;
    for (const { bytes, descriptors, segment } of this.waiting) {
      const offset = this.place(bytes.length, descriptors, segment);
      if (offset < 0) break;
      channel.writer.bytes.set(bytes, offset);
      descriptors?.drop();
      this.waitingBytes -= Math.max(bytes.length, WAITING_ENTRY_BYTES);
      moved++;
    }
    this.waiting.splice(0, moved);
    return moved;
  }

  /**
   * Offset in the ring, or -1. Descriptors are sent ahead, so that they have arrived when the entry becomes
   * visible.
   */
  private place(
    length: number,
    descriptors: DescriptorSet | null,
    segment: Segment | null,
  ): number {
    const channel = this.channel;
    if (channel === null) return -1;
    let offset = channel.writer.reserve(length);
    if (offset < 0) {
      if (!this.grow(channel, length)) return -1;
      offset = channel.writer.reserve(length);
    }
    const before = (channel.writer.head - length) >>> 0;
    if (!this.sendDescriptors(channel, descriptors, segment)) {
      channel.writer.head = before;
      return -1;
    }
    if (segment !== null) {
      segment.busyUntil = channel.writer.head;
      segment.ring = channel.writer;
    }
    return offset;
  }

  private grow(channel: Channel, length: number): boolean {
    const old = channel.grow(length, monotonicNs());
    if (old === null) return false;
    this.opened++;
    this.left.push(old);
    return true;
  }

  private sendDescriptors(
    channel: Channel,
    descriptors: DescriptorSet | null,
    segment: Segment | null,
  ): boolean {
    if (segment !== null && segment.fd >= 0) {
      if (!channel.socket.send([segment.fd])) return false;
      segment.forgetDescriptor();
    }
    return descriptors === null || channel.socket.send(descriptors.fds);
  }
}

import { closeReceived, Errno } from '#core/linux/index.js';
import { frameLength } from '#bridge/wire/header.js';

import { blockShiftFor } from './arena.js';
import type { LargeBuffer, LargeBuffers } from './large-buffers.js';
import { READ_BYTES, type ReceiveWindow } from './receive-window.js';

/** Longer messages get memory of their own: the receive window has no room for them. */
const LARGE_BYTES = READ_BYTES / 2;

/** Memory for a large message grows as its bytes arrive: a client that only announces 128 MiB gets this much. */
const LARGE_FIRST_BYTES = 4 * 1024 * 1024;

/** Processes the messages of a stream. */
export interface MessageHandler {
  /** false: the remaining messages are kept until `Inflow.resume` */
  readonly takesMore: boolean;
  /** Input has been read: calls of `message` follow for what is complete. */
  begin(): void;
  /**
   * One whole message, not checked yet. `isNext`: the one before lies right before it, as it was. False: read no
   * further.
   */
  message(bytes: Uint8Array, view: DataView, start: number, end: number, isNext: boolean): boolean;
}

/** How a read ended. Positive values are `WireFault`s. */
export const ReadStatus = { Ok: 0, Closed: -1, Broken: -2, TooLong: -3, Descriptors: -4 } as const;

/**
 * Cuts what a socket delivers into messages. Descriptors wait in order until their message claims
 * them.
 */
export class Inflow {
  private readonly fd: number;
  private readonly window: ReceiveWindow;
  private readonly largeBuffers: LargeBuffers;
  readonly maxMessageBytes: number;
  private readonly maxDescriptors: number;

  /** the beginning of a message whose end has not come yet, in a block of the arena */
  private partBlock = -1;
  private partShift = 0;
  /** the same in memory of its own, when the arena is full */
  private partCopy: Uint8Array | null = null;
  private partBytes = 0;
  /** what is kept was not cut into messages, because the handler took no more */
  hasRest = false;

  /** a large message: memory for all of it, of which `largeFilled` bytes are there */
  private large: LargeBuffer | null = null;
  private largeLength = 0;
  private largeFilled = 0;

  private descriptors: number[] = [];
  /** descriptors that were sent were lost: this process has too many open */
  hasLostDescriptors = false;
  /** nothing was left in the socket after the last read */
  isDrained = true;
  /** the other side has closed, and everything that it sent was read */
  hasEnded = false;
  /** errno of the last read when it was `Broken` */
  errno = 0;

  constructor(
    fd: number,
    window: ReceiveWindow,
    largeBuffers: LargeBuffers,
    maxMessageBytes: number,
    maxDescriptors: number,
  ) {
    this.fd = fd;
    this.window = window;
    this.largeBuffers = largeBuffers;
    this.maxMessageBytes = maxMessageBytes;
    this.maxDescriptors = maxDescriptors;
  }

  /** Bytes of a message whose end has not come yet. */
  get waitingBytes(): number {
    return this.large === null ? this.partBytes : this.largeFilled;
  }

  /** Descriptors that no message has claimed yet. */
  get descriptorCount(): number {
    return this.descriptors.length;
  }

  /**
   * Processes what was kept, if there is something; otherwise makes one system call, and processes what is complete
   * after it. Returns a `ReadStatus` or a `WireFault`.
   */
  // hot
  read(handler: MessageHandler): number {
    if (this.hasRest) return this.resume(handler);
    if (this.large !== null) return this.readLarge(this.large, handler);
    const { window } = this;
    const { arena } = window;
    const start = window.open(READ_BYTES + this.partBytes);
    const from = start + this.partBytes;
    const count = window.receiver.receive(this.fd, arena.address + from, READ_BYTES);
    /* a read ends after the data that came with descriptors (unix(7)) */
    this.isDrained = count < READ_BYTES && window.receiver.fdCount === 0;
    if (count <= 0) return this.nothingRead(count);
    if (window.receiver.fdCount > 0 && !this.takeDescriptors()) return ReadStatus.Descriptors;
    if (this.partBytes > 0) this.restorePart(start);
    handler.begin();
    return this.cut(handler, start, from + count);
  }

  /** Processes bytes and descriptors that were received elsewhere, before the first message. */
  feed(handler: MessageHandler, bytes: Uint8Array, fds: readonly number[]): number {
    this.descriptors.push(...fds);
    if (this.descriptors.length > this.maxDescriptors) return ReadStatus.Descriptors;
    const { window } = this;
    const at = window.open(READ_BYTES);
    window.arena.bytes.set(bytes, at);
    return this.cut(handler, at, at + bytes.length);
  }

  /** Processes what was kept because the handler took no more. Returns the same as `read`. */
  resume(handler: MessageHandler): number {
    if (!this.hasRest) return ReadStatus.Ok;
    this.hasRest = false;
    this.isDrained = false;
    const start = this.window.open(READ_BYTES + this.partBytes);
    const end = start + this.partBytes;
    this.restorePart(start);
    return this.cut(handler, start, end);
  }

  /** The next `count` descriptors in order; undefined when fewer have come. */
  claimDescriptors(count: number): number[] | undefined {
    if (this.descriptors.length < count) return undefined;
    return this.descriptors.splice(0, count);
  }

  close(): void {
    for (const fd of this.descriptors) closeReceived(fd);
    this.descriptors = [];
    this.dropPart();
    if (this.large !== null) this.largeBuffers.release(this.large.bytes);
    this.large = null;
  }

  // hot
  private cut(handler: MessageHandler, start: number, end: number): number {
    const { bytes, view } = this.window.arena;
    let at = start;
    while (at < end) {
      if (!handler.takesMore) {
        this.keepPart(at, end);
        this.hasRest = true;
        return ReadStatus.Ok;
      }
      const length = frameLength(bytes, view, at, end);
      if (length < 0) return -length;
      if (length > this.maxMessageBytes) return ReadStatus.TooLong;
      if (length === 0 || at + length > end) {
        if (length > LARGE_BYTES) this.beginLarge(at, end, length);
        else this.keepPart(at, end);
        return ReadStatus.Ok;
      }
      if (!handler.message(bytes, view, at, at + length, at > start)) return ReadStatus.Ok;
      at += length;
    }
    return ReadStatus.Ok;
  }

  private nothingRead(count: number): number {
    this.hasEnded = count === 0;
    if (count === 0) return ReadStatus.Closed;
    if (count === -Errno.EAGAIN) return ReadStatus.Ok;
    this.errno = -count;
    return ReadStatus.Broken;
  }

  private takeDescriptors(): boolean {
    const { receiver } = this.window;
    receiver.addFdsTo(this.descriptors);
    this.hasLostDescriptors = receiver.truncated;
    return !receiver.truncated && this.descriptors.length <= this.maxDescriptors;
  }

  private restorePart(at: number): void {
    const { arena } = this.window;
    if (this.partCopy !== null) arena.bytes.set(this.partCopy, at);
    else arena.bytes.copyWithin(at, this.partBlock, this.partBlock + this.partBytes);
    this.dropPart();
  }

  private keepPart(start: number, end: number): void {
    const { arena } = this.window;
    this.partShift = blockShiftFor(end - start);
    this.partBlock = arena.take(this.partShift);
    this.partBytes = end - start;
    if (this.partBlock >= 0) arena.bytes.copyWithin(this.partBlock, start, end);
    else this.partCopy = arena.bytes.slice(start, end);
  }

  private dropPart(): void {
    if (this.partBlock >= 0) this.window.arena.give(this.partBlock, this.partShift);
    this.partBlock = -1;
    this.partCopy = null;
    this.partBytes = 0;
  }

  private beginLarge(start: number, end: number, length: number): void {
    this.large = this.largeBuffers.take(Math.min(length, LARGE_FIRST_BYTES));
    this.large.bytes.set(this.window.arena.bytes.subarray(start, end));
    this.largeLength = length;
    this.largeFilled = end - start;
  }

  private growLarge(full: LargeBuffer): void {
    const larger = this.largeBuffers.take(Math.min(this.largeLength, this.largeFilled * 2));
    larger.bytes.set(full.bytes.subarray(0, this.largeFilled));
    this.largeBuffers.release(full.bytes);
    this.large = larger;
  }

  /**
   * Reads no further than the end of the large message: later bytes go into the window again.
   */
  private readLarge(large: LargeBuffer, handler: MessageHandler): number {
    const { receiver } = this.window;
    const room = Math.min(this.largeLength, large.bytes.length);
    const missing = room - this.largeFilled;
    const count = receiver.receive(this.fd, large.address + this.largeFilled, missing);
    this.isDrained = count < missing && receiver.fdCount === 0;
    if (count <= 0) return this.nothingRead(count);
    if (receiver.fdCount > 0 && !this.takeDescriptors()) return ReadStatus.Descriptors;
    this.largeFilled += count;
    if (this.largeFilled < this.largeLength) {
      if (this.largeFilled === room) this.growLarge(large);
      return ReadStatus.Ok;
    }
    this.large = null;
    handler.begin();
    handler.message(large.bytes, large.view, 0, this.largeLength, false);
    this.largeBuffers.release(large.bytes);
    return ReadStatus.Ok;
  }
}

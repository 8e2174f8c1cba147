import { closeFd, Errno } from '#core/linux/index.js';
import { frameLength } from '#bridge/wire/header.js';

import { blockShiftFor } from './arena.js';
import type { LargeBuffer, LargeBuffers } from './large-buffers.js';
import { READ_BYTES, type ReceiveWindow } from './receive-window.js';

/** Messages from here on get memory of their own: the read window has no room for them. */
const LARGE_BYTES = READ_BYTES / 2;

/** Takes the messages of a stream. */
export interface MessageHandler {
  /** One whole message, not looked at yet. False: read no further. */
  message(bytes: Uint8Array, view: DataView, start: number, end: number): boolean;
}

/** How a read ended. Positive values are `WireFault`s. */
export const ReadStatus = { Ok: 0, Closed: -1, Broken: -2, TooLong: -3, Descriptors: -4 } as const;

/** Cuts what a socket delivers into messages. Descriptors wait in order until their message claims them. */
export class Inflow {
  private readonly fd: number;
  private readonly window: ReceiveWindow;
  private readonly largeBuffers: LargeBuffers;
  private readonly maxMessageBytes: number;
  private readonly maxDescriptors: number;

  /** the beginning of a message whose end has not come yet, in a block of the arena */
  private partBlock = -1;
  private partShift = 0;
  private partBytes = 0;

  /** a large message: memory for all of it, of which `largeFilled` bytes are there */
  private large: LargeBuffer | null = null;
  private largeLength = 0;
  private largeFilled = 0;

  private descriptors: number[] = [];
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

  /** Descriptors that were received by somebody else, before the messages began. */
  adopt(fds: readonly number[]): void {
    this.descriptors.push(...fds);
  }

  /** Bytes of a message whose end has not come yet. */
  get waitingBytes(): number {
    return this.large === null ? this.partBytes : this.largeFilled;
  }

  /** Descriptors that no message has claimed yet. */
  get descriptorCount(): number {
    return this.descriptors.length;
  }

  /** One system call, and everything that is complete after it. A `ReadStatus`, or a `WireFault`. */
  // hot
  read(handler: MessageHandler): number {
    if (this.large !== null) return this.readLarge(this.large, handler);
    const { window } = this;
    const { arena } = window;
    const start = window.open(READ_BYTES + this.partBytes);
    const from = start + this.partBytes;
    const count = window.receiver.receive(this.fd, arena.address + from, READ_BYTES);
    if (count <= 0) return this.nothingRead(count);
    if (window.receiver.fdCount > 0 && !this.takeDescriptors()) return ReadStatus.Descriptors;
    if (this.partBytes > 0) this.restorePart(start);
    return this.cut(handler, start, from + count);
  }

  /** Bytes that were read by somebody else, before the messages began. */
  feed(handler: MessageHandler, bytes: Uint8Array, start: number, end: number): number {
    const { window } = this;
    const at = window.open(READ_BYTES);
    window.arena.bytes.set(bytes.subarray(start, end), at);
    return this.cut(handler, at, at + end - start);
  }

  /** The next `count` descriptors in order; undefined when fewer have come. */
  claimDescriptors(count: number): number[] | undefined {
    if (this.descriptors.length < count) return undefined;
    return this.descriptors.splice(0, count);
  }

  close(): void {
    for (const fd of this.descriptors) closeFd(fd);
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
      const length = frameLength(bytes, view, at, end);
      if (length < 0) return -length;
      if (length > this.maxMessageBytes) return ReadStatus.TooLong;
      if (length === 0 || at + length > end) {
        if (length > LARGE_BYTES) this.beginLarge(at, end, length);
        else this.keepPart(at, end);
        return ReadStatus.Ok;
      }
      if (!handler.message(bytes, view, at, at + length)) return ReadStatus.Ok;
      at += length;
    }
    return ReadStatus.Ok;
  }

  private nothingRead(count: number): number {
    if (count === 0) return ReadStatus.Closed;
    if (count === -Errno.EAGAIN) return ReadStatus.Ok;
    this.errno = -count;
    return ReadStatus.Broken;
  }

  private takeDescriptors(): boolean {
    const { fds, fdCount, truncated } = this.window.receiver;
    for (let i = 0; i < fdCount; i++) this.descriptors.push(fds[i]);
    return !truncated && this.descriptors.length <= this.maxDescriptors;
  }

  private restorePart(at: number): void {
    const { arena } = this.window;
    arena.bytes.copyWithin(at, this.partBlock, this.partBlock + this.partBytes);
    this.dropPart();
  }

  private keepPart(start: number, end: number): void {
    const { arena } = this.window;
    this.partShift = blockShiftFor(end - start);
    this.partBlock = arena.take(this.partShift);
    if (this.partBlock < 0) throw new Error('the arena of this host is exhausted');
    this.partBytes = end - start;
    arena.bytes.copyWithin(this.partBlock, start, end);
  }

  private dropPart(): void {
    if (this.partBlock >= 0) this.window.arena.give(this.partBlock, this.partShift);
    this.partBlock = -1;
    this.partBytes = 0;
  }

  private beginLarge(start: number, end: number, length: number): void {
    this.large = this.largeBuffers.take(length);
    this.large.bytes.set(this.window.arena.bytes.subarray(start, end));
    this.largeLength = length;
    this.largeFilled = end - start;
  }

  /** Reads no further than the end of the large message: what follows goes into the window again. */
  private readLarge(large: LargeBuffer, handler: MessageHandler): number {
    const { receiver } = this.window;
    const missing = this.largeLength - this.largeFilled;
    const count = receiver.receive(this.fd, large.address + this.largeFilled, missing);
    if (count <= 0) return this.nothingRead(count);
    if (receiver.fdCount > 0 && !this.takeDescriptors()) return ReadStatus.Descriptors;
    this.largeFilled += count;
    if (this.largeFilled < this.largeLength) return ReadStatus.Ok;
    this.large = null;
    handler.message(large.bytes, large.view, 0, this.largeLength);
    this.largeBuffers.release(large.bytes);
    return ReadStatus.Ok;
  }
}

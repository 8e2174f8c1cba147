import type { DescriptorSet, GatherArea, Message, Trace } from '#core/index.js';
import { emptyList, WIDE_ZERO } from '#core/stable-shape.js';
import { allocateBytes, Errno, MessageSender, sendBytes } from '#core/linux/index.js';

import type { LargeBuffers } from './large-buffers.js';
import type { ReceiveWindow } from './receive-window.js';
import { Shares } from './shares.js';
import { BLOCK_MAX_BYTES, blockShiftFor, type Arena } from './arena.js';

/** Pieces of this size or more are sent from where they lie: a copy of 16 KiB costs as much as a system call. */
export const BORROW_MIN_BYTES = 16 * 1024;

/**
 * The most messages that are discharged together. With more, messages would stay charged long after a slow reader has
 * read them; with fewer, there are more entries to process.
 */
const CHARGE_MAX_MESSAGES = 64;

/** The most discharged entries in front of the others before these move up. */
const CHARGE_GAP_MAX = 256;

/** The segments that one system call gathers (`MessageSender` has room for 64 pieces). */
const GATHER_MAX = 64;

/** Memory that waits to be written. */
interface Segment {
  bytes: Uint8Array;
  /** address of `bytes[0]` */
  address: number;
  start: number;
  end: number;
  /** shift of the arena block that it fills from `block` on; 0 when it owns none */
  shift: number;
  block: number;
  /** lies in the receive window: valid until the end of this turn */
  borrowed: boolean;
}

/** What a message in the outbox was charged to, until the socket has taken its last byte. */
interface Charge {
  trace: Trace;
  objects: number;
  bytes: number;
  descriptors: number;
  /** position of the stream at which it is discharged */
  end: number;
}

/** Descriptors that leave with the first byte of their message. */
interface Attachment {
  position: number;
  descriptors: DescriptorSet;
}

/** Shared by all outboxes of a host: memory, and the one gathering system call. */
export interface OutboxShared {
  readonly arena: Arena;
  readonly window: ReceiveWindow;
  readonly large: LargeBuffers;
  readonly sender: MessageSender;
}

/** The reader of the socket, if it is in this process. */
export interface Shortcut {
  /** Takes these bytes, which follow the first `leftBytes` of the stream; refuses if it has not taken exactly those. */
  take(bytes: Uint8Array, start: number, end: number, leftBytes: number): boolean;
  /** Processes the bytes that it took: the outbox is consistent again. */
  taken(): void;
}

/** Where a short message for several outboxes is gathered. A longer one stays in pieces: they may borrow some. */
export function gatherArea(arena: Arena): GatherArea {
  const lengthBytes = BORROW_MIN_BYTES - 1;
  return { bytes: arena.bytes, offset: arena.reserve(lengthBytes), lengthBytes };
}

/**
 * The BUS1 queue of a connection's peer, in wire format: a message that was appended is committed, a byte that the
 * socket has taken is received. It grows as far as the senders' quotas allow.
 */
export class Outbox {
  private readonly shared: OutboxShared;
  private readonly arena: Arena;

  private readonly segments = emptyList<Segment>();
  private readonly charges = emptyList<Charge>();
  private readonly attachments = emptyList<Attachment>();
  /** descriptors that wait */
  pendingDescriptors = 0;
  private chargeHead = 0;
  private chargeCount = 0;
  /** the last of these charges; null: there is none */
  private lastCharge: Charge | null = null;
  /** the charges by sender, from the first use of `shares` until `forgetShares` */
  private counted: Shares | null = null;

  /** The segment that small pieces are copied to: `arena[tailStart, tailEnd)`, in a block of `1 << tailShift` bytes. */
  private tailBlock = -1;
  private tailShift = 0;
  private tailStart = 0;
  private tailEnd = 0;
  private tailLimit = 0;

  /** Positions of the byte stream; both start anew whenever everything has been sent. */
  private appended = 0;
  private sent = 0;

  /** bytes that have left since the connection began */
  private leftBytes = WIDE_ZERO;
  /** null: everything goes through the socket */
  shortcut: Shortcut | null = null;

  constructor(shared: OutboxShared) {
    this.shared = shared;
    this.arena = shared.arena;
  }

  get pendingBytes(): number {
    return this.appended - this.sent;
  }

  /** Messages that other users' peers have queued here and that are still charged to them. */
  get pendingMessages(): number {
    let sum = 0;
    for (let i = this.chargeHead; i < this.chargeCount; i++) sum += this.charges[i].objects;
    return sum;
  }

  /** What is queued, by sender; kept up to date until `forgetShares`. */
  get shares(): Shares {
    if (this.counted !== null) return this.counted;
    const shares = (this.counted = new Shares());
    for (let i = this.chargeHead; i < this.chargeCount; i++) {
      const { trace, bytes, descriptors } = this.charges[i];
      shares.add(trace, bytes, descriptors);
    }
    return shares;
  }

  // hot
  forgetShares(): void {
    this.counted = null;
  }

  /** Like `append`, for a message from another process: it may lie in memory that will be overwritten. */
  // hot
  appendForeign(message: Message, trace: Trace): void {
    const { lengthBytes } = message;
    if (lengthBytes < BORROW_MIN_BYTES || message.isOwned) {
      this.append(message, trace);
      return;
    }
    const { large } = this.shared;
    const own = large.take(lengthBytes);
    copyIn(own.bytes, 0, message.pieces[0], message.offsets[0], lengthBytes);
    message.pieces[0] = own.bytes;
    message.offsets[0] = 0;
    this.append(message, trace);
    large.release(own.bytes);
  }

  /** Appends a message that was charged to `trace`, which is discharged when the message has been sent. */
  // hot
  append(message: Message, trace: Trace | null): void {
    if (message.descriptors !== null) this.attach(message.descriptors.retain());
    for (let i = 0; i < message.pieceCount; i++) {
      this.appendPiece(message.pieces[i], message.offsets[i], message.lengths[i]);
    }
    if (trace === null) return;
    const descriptors = message.descriptors === null ? 0 : message.descriptors.count;
    this.owe(trace, message.lengthBytes, descriptors);
  }

  /** Appends bytes of the bus itself, which are charged to no user. */
  appendBytes(bytes: Uint8Array): void {
    this.appendPiece(bytes, 0, bytes.length);
  }

  // hot
  private appendPiece(bytes: Uint8Array, offset: number, lengthBytes: number): void {
    if (lengthBytes >= BORROW_MIN_BYTES) {
      this.borrow(bytes, offset, lengthBytes);
      return;
    }
    if (this.tailEnd + lengthBytes > this.tailLimit && !this.grow(lengthBytes)) {
      this.appendOwn(bytes, offset, lengthBytes);
      return;
    }
    if (bytes === this.arena.bytes) bytes.copyWithin(this.tailEnd, offset, offset + lengthBytes);
    else copyIn(this.arena.bytes, this.tailEnd, bytes, offset, lengthBytes);
    this.tailEnd += lengthBytes;
    this.appended += lengthBytes;
  }

  /** Consecutive messages of one sender share an entry, up to CHARGE_MAX_MESSAGES. */
  // hot
  private owe(trace: Trace, lengthBytes: number, descriptors: number): void {
    let charge = this.lastCharge;
    if (charge?.trace !== trace || charge.objects === CHARGE_MAX_MESSAGES) {
      charge = this.lastCharge = this.nextCharge(trace);
    }
    charge.objects++;
    charge.bytes += lengthBytes;
    charge.descriptors += descriptors;
    charge.end = this.appended;
    if (this.counted !== null) this.counted.add(trace, lengthBytes, descriptors);
  }

  /** Entries are made once and reused: the list never shrinks. */
  private nextCharge(trace: Trace): Charge {
    if (this.chargeHead >= CHARGE_GAP_MAX) this.closeChargeGap();
    const i = this.chargeCount++;
    const charge = (this.charges[i] ??= { trace, objects: 0, bytes: 0, descriptors: 0, end: 0 });
    charge.trace = trace;
    charge.objects = charge.bytes = charge.descriptors = 0;
    return charge;
  }

  /** Moves discharged entries to the end for reuse: the list must not grow while a reader never catches up. */
  private closeChargeGap(): void {
    if (this.chargeHead * 2 < this.chargeCount) return;
    const paid = this.charges.splice(0, this.chargeHead);
    for (const charge of paid) this.charges.push(charge);
    this.chargeCount -= this.chargeHead;
    this.chargeHead = 0;
  }

  /**
   * Writes as much as the socket takes. Returns 0 when everything was written, EAGAIN when something is left, or the
   * errno of a connection that is broken.
   */
  // hot
  flush(fd: number): number {
    if (this.shortcut !== null && this.handOver(this.shortcut)) return 0;
    while (this.sent < this.appended) {
      const result =
        this.segments.length === 0 && this.attachments.length === 0
          ? sendBytes(fd, this.arena.address + this.tailStart, this.tailEnd - this.tailStart)
          : this.gather(fd);
      if (result < 0) {
        this.payBack();
        if (result === -Errno.EINTR) continue;
        return -result;
      }
      this.advance(result);
    }
    this.payBack();
    this.rewind();
    return 0;
  }

  /** Lets short output without descriptors bypass the socket. */
  private handOver(shortcut: Shortcut): boolean {
    const { tailStart, tailEnd } = this;
    if (this.segments.length > 0 || this.attachments.length > 0 || tailStart === tailEnd)
      return false;
    if (!shortcut.take(this.arena.bytes, tailStart, tailEnd, this.leftBytes)) return false;
    this.advance(tailEnd - tailStart);
    this.payBack();
    this.rewind();
    shortcut.taken();
    return true;
  }

  /** Copies what `flush` left in the receive window to memory of its own; must be called before the turn ends. */
  keepBorrowed(): void {
    for (const segment of this.segments) {
      if (!segment.borrowed) continue;
      const lengthBytes = segment.end - segment.start;
      const own = allocateBytes(Math.max(lengthBytes, 65));
      copyIn(own.bytes, 0, segment.bytes, segment.start, lengthBytes);
      segment.bytes = own.bytes;
      segment.address = own.address;
      segment.start = 0;
      segment.end = lengthBytes;
      segment.borrowed = false;
    }
  }

  /** Discards what is queued and releases everything. */
  close(): void {
    this.sent = this.appended;
    for (const { descriptors } of this.attachments) descriptors.drop();
    this.attachments.length = 0;
    this.pendingDescriptors = 0;
    for (const segment of this.segments) this.freeSegment(segment);
    this.segments.length = 0;
    this.payBack();
    this.rewind();
  }

  private attach(descriptors: DescriptorSet): void {
    this.attachments.push({ position: this.appended, descriptors });
    this.pendingDescriptors += descriptors.count;
  }

  /** Sends `lengthBytes` without a copy: from the receive window, or from memory that is not written again. */
  private borrow(bytes: Uint8Array, offset: number, lengthBytes: number): void {
    this.sealTail();
    const inArena = bytes === this.arena.bytes;
    if (inArena) this.shared.window.keep(offset + lengthBytes);
    this.segments.push({
      bytes,
      address: inArena ? this.arena.address : this.shared.large.retain(bytes),
      start: offset,
      end: offset + lengthBytes,
      shift: 0,
      block: 0,
      borrowed: inArena,
    });
    this.appended += lengthBytes;
  }

  /** Makes what was copied so far a segment of its own, so that another one can follow it. */
  private sealTail(): void {
    if (this.tailBlock < 0 || this.tailEnd === this.tailStart) return;
    this.segments.push({
      bytes: this.arena.bytes,
      address: this.arena.address,
      start: this.tailStart,
      end: this.tailEnd,
      shift: this.tailShift,
      block: this.tailBlock,
      borrowed: false,
    });
    this.tailBlock = -1;
    this.tailStart = this.tailEnd = this.tailLimit = 0;
  }

  /** Room for `lengthBytes` more: a larger block while it is small, then another one. False: no memory. */
  private grow(lengthBytes: number): boolean {
    const held = this.tailEnd - this.tailStart;
    if (held + lengthBytes > BLOCK_MAX_BYTES) this.sealTail();
    const keep = this.tailEnd - this.tailStart;
    const shift = blockShiftFor((keep + lengthBytes) * 2);
    const block = this.arena.take(shift);
    if (block < 0) return false;
    if (keep > 0) this.arena.bytes.copyWithin(block, this.tailStart, this.tailEnd);
    if (this.tailBlock >= 0) this.arena.give(this.tailBlock, this.tailShift);
    this.tailBlock = block;
    this.tailShift = shift;
    this.tailStart = block;
    this.tailEnd = block + keep;
    this.tailLimit = block + (1 << shift);
    return true;
  }

  /** The arena is full: copies to garbage-collected memory instead. */
  private appendOwn(bytes: Uint8Array, offset: number, lengthBytes: number): void {
    const own = allocateBytes(Math.max(lengthBytes, 65));
    copyIn(own.bytes, 0, bytes, offset, lengthBytes);
    this.sealTail();
    this.segments.push({
      bytes: own.bytes,
      address: own.address,
      start: 0,
      end: lengthBytes,
      shift: 0,
      block: 0,
      borrowed: false,
    });
    this.appended += lengthBytes;
  }

  /** One system call for several segments, up to the next message that brings descriptors. */
  private gather(fd: number): number {
    const sender = this.shared.sender;
    sender.begin();
    let stop = this.appended;
    for (const { position, descriptors } of this.attachments) {
      if (position > this.sent) {
        stop = position;
        break;
      }
      for (const attached of descriptors.fds) sender.addFd(attached);
    }
    let room = stop - this.sent;
    for (let i = 0; i < this.segments.length && room > 0 && sender.pieces < GATHER_MAX - 1; i++) {
      const { address, start, end } = this.segments[i];
      const lengthBytes = Math.min(end - start, room);
      sender.add(address + start, lengthBytes);
      room -= lengthBytes;
    }
    const tail = Math.min(this.tailEnd - this.tailStart, room);
    if (tail > 0 && sender.pieces + 1 > this.segments.length) {
      sender.add(this.arena.address + this.tailStart, tail);
    }
    return sender.send(fd);
  }

  /** The socket has taken `lengthBytes`. */
  // hot
  private advance(lengthBytes: number): void {
    this.dropAttachments();
    this.sent += lengthBytes;
    this.leftBytes += lengthBytes;
    let left = lengthBytes;
    if (this.segments.length > 0) left = this.advanceSegments(left);
    this.tailStart += left;
  }

  private advanceSegments(lengthBytes: number): number {
    let left = lengthBytes;
    let done = 0;
    for (const segment of this.segments) {
      const taken = Math.min(left, segment.end - segment.start);
      segment.start += taken;
      left -= taken;
      if (segment.start < segment.end) break;
      this.freeSegment(segment);
      done++;
    }
    this.segments.splice(0, done);
    return left;
  }

  /** Descriptors leave with the first byte after their position, and the kernel holds them from then on. */
  private dropAttachments(): void {
    while (this.attachments.length > 0 && this.attachments[0].position <= this.sent) {
      const { descriptors } = this.attachments.shift()!;
      this.pendingDescriptors -= descriptors.count;
      descriptors.drop();
    }
  }

  private freeSegment(segment: Segment): void {
    if (segment.shift > 0) this.arena.give(segment.block, segment.shift);
    else if (!segment.borrowed) this.shared.large.release(segment.bytes);
  }

  // hot
  private payBack(): void {
    while (this.chargeHead < this.chargeCount) {
      const charge = this.charges[this.chargeHead];
      if (charge.end > this.sent) return;
      charge.trace.discharge(charge.objects, charge.bytes, charge.descriptors);
      if (this.counted !== null) {
        this.counted.remove(charge.trace, charge.bytes, charge.descriptors);
      }
      this.chargeHead++;
    }
    this.chargeHead = 0;
    this.chargeCount = 0;
    this.lastCharge = null;
  }

  /** Everything is written: an idle connection holds no memory. */
  // hot
  private rewind(): void {
    if (this.tailBlock >= 0) this.arena.give(this.tailBlock, this.tailShift);
    this.tailBlock = -1;
    this.tailStart = this.tailEnd = this.tailLimit = 0;
    this.appended = 0;
    this.sent = 0;
  }
}

/** Copies `lengthBytes` bytes at `offset` of `from`. */
export function copyIn(
  to: Uint8Array,
  at: number,
  from: Uint8Array,
  offset: number,
  lengthBytes: number,
): void {
  to.set(new Uint8Array(from.buffer, from.byteOffset + offset, lengthBytes), at);
}

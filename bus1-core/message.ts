import type { DescriptorSet } from './descriptors.js';
import type { Handle } from './handle.js';
import type { Node } from './node.js';
import { emptyList } from './stable-shape.js';

/** Whether `send` makes a node of the sender whose handle travels with the message. */
export const NewNode = {
  None: 0,
  /** lives until it is released or its last handle is gone */
  Lasting: 1,
  /** released by the first message that arrives at it (an extension) */
  OneShot: 2,
} as const;
export type NewNode = (typeof NewNode)[keyof typeof NewNode];

/** Memory for one message, which is overwritten by the next one. */
export interface GatherArea {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly lengthBytes: number;
}

/**
 * What one `send` puts on each destination: bytes gathered from up to `MAX_PIECES` vectors, copies of handles, and
 * descriptors. An object of this class is filled, sent and filled again: the core keeps no reference to it.
 *
 * `Note` is what its sender notes for receivers in the same thread; `NodeContext` is the context of the sender's nodes,
 * and `HandleContext` that of the receiver's handles.
 */
export class Message<Note = unknown, NodeContext = unknown, HandleContext = unknown> {
  static readonly MAX_PIECES = 8;

  /** data vectors: `lengths[i]` bytes at `offsets[i]` of `pieces[i]` */
  readonly pieces = emptyList<Uint8Array>();
  readonly offsets: number[] = [];
  readonly lengths: number[] = [];
  pieceCount = 0;
  /** where `multicast` gathers the vectors; null: they stay as they are */
  readonly area: GatherArea | null;
  /** sum of the vectors' lengths: what is delivered and charged */
  lengthBytes = 0;

  /** handles of the sender that are copied to each receiver */
  readonly transfers = emptyList<Handle>();
  transferCount = 0;

  newNode: NewNode = NewNode.None;
  /** becomes `Node.context` of the new node */
  newNodeContext: NodeContext | null = null;
  /** the node that `send` made, in the sender's hands */
  createdNode: Node<NodeContext> | null = null;

  descriptors: DescriptorSet | null = null;

  /**
   * The sender's parsed form of the bytes, for receivers in the same thread, which may trust it as they trust the
   * code of this thread; the core does not use it.
   */
  note: Note | null = null;

  /** at the receiver: the process of the domain that sent it, 0 for this one */
  origin = 0;

  /** at the receiver: the bytes are one piece, in memory that was made for them, and may be kept instead of copied */
  isOwned = false;

  /** at the receiver: the handles that arrived, copies first, that of the new node last */
  readonly received = emptyList<Handle<HandleContext>>();
  receivedCount = 0;
  /** at the receiver: from this one on, the handles lead to nodes of the process that sent them; 0: all of them do */
  ownFrom = 0;

  constructor(area: GatherArea | null = null) {
    this.area = area;
  }

  clear(): Message<Note, NodeContext, HandleContext> {
    this.pieceCount = 0;
    this.lengthBytes = 0;
    this.transferCount = 0;
    this.newNode = NewNode.None;
    this.newNodeContext = null;
    this.createdNode = null;
    this.descriptors = null;
    this.note = null;
    this.origin = 0;
    this.isOwned = false;
    this.receivedCount = 0;
    this.ownFrom = 0;
    return this;
  }

  addPiece(bytes: Uint8Array, offset: number, lengthBytes: number): void {
    const i = this.pieceCount++;
    this.pieces[i] = bytes;
    this.offsets[i] = offset;
    this.lengths[i] = lengthBytes;
    this.lengthBytes += lengthBytes;
  }

  /** Puts `bytes` in place of the first piece. */
  replaceFirstPiece(bytes: Uint8Array): void {
    this.lengthBytes += bytes.length - this.lengths[0];
    this.pieces[0] = bytes;
    this.offsets[0] = 0;
    this.lengths[0] = bytes.length;
  }

  /** Copies the pieces into `area`, if they fit: each of several receivers has only one piece to copy then. */
  gather(): void {
    const { area } = this;
    if (area === null || this.pieceCount < 2 || this.lengthBytes > area.lengthBytes) return;
    const { bytes, offset } = area;
    let at = offset;
    for (let i = 0; i < this.pieceCount; i++) {
      const piece = this.pieces[i];
      const from = this.offsets[i];
      const end = from + this.lengths[i];
      if (piece === bytes) bytes.copyWithin(at, from, end);
      else bytes.set(piece.subarray(from, end), at);
      at += this.lengths[i];
    }
    this.pieceCount = 1;
    this.pieces[0] = bytes;
    this.offsets[0] = offset;
    this.lengths[0] = this.lengthBytes;
  }

  /** The message consists of these bytes, which its receiver may keep without copying. */
  setOwnedBytes(bytes: Uint8Array): void {
    this.addPiece(bytes, 0, bytes.length);
    this.isOwned = true;
  }

  /** From now on the bytes may be kept instead of copied. */
  own(): void {
    const bytes = this.takeBytes();
    this.pieceCount = 0;
    this.lengthBytes = 0;
    this.setOwnedBytes(bytes);
  }

  addTransfer(handle: Handle): void {
    this.transfers[this.transferCount++] = handle;
  }

  /** Whether the last handle, if any, leads to the sending process; otherwise a reply may reach another process. */
  get isLastOwn(): boolean {
    return this.receivedCount === 0 || this.ownFrom < this.receivedCount;
  }

  /** At the receiver: the handle that arrived last, as a reply handle does; null: none did. */
  get lastReceived(): Handle<HandleContext> | null {
    return this.receivedCount === 0 ? null : this.received[this.receivedCount - 1];
  }

  /** -1: the message is empty */
  get firstByte(): number {
    return this.byteAt(0);
  }

  /** A byte of the first piece; -1: it has fewer. */
  byteAt(index: number): number {
    if (this.pieceCount === 0 || index >= this.lengths[0]) return -1;
    return this.pieces[0][this.offsets[0] + index];
  }

  /** The only piece, if the message begins where it begins. */
  get wholePiece(): Uint8Array | null {
    return this.pieceCount === 1 && this.offsets[0] === 0 ? this.pieces[0] : null;
  }

  /** The gathered bytes, in memory of their own. */
  copyBytes(): Uint8Array {
    const bytes = allocateUncleared(this.lengthBytes);
    this.copyTo(bytes);
    return bytes;
  }

  /** Gathers the bytes at the start of `target`. */
  copyTo(target: Uint8Array): void {
    let at = 0;
    for (let i = 0; i < this.pieceCount; i++) {
      const offset = this.offsets[i];
      target.set(this.pieces[i].subarray(offset, offset + this.lengths[i]), at);
      at += this.lengths[i];
    }
  }

  /**
   * Like `copyBytes`, but without a copy where the bytes have arrived in memory of their own, as large messages of
   * other processes do.
   */
  takeBytes(): Uint8Array {
    return this.isOwned ? this.pieces[0] : this.copyBytes();
  }
}

/** From this size, an uncleared allocation pays off. */
const UNCLEARED_MIN_BYTES = 16_384;

/** Memory that is to be overwritten as a whole. */
export function allocateUncleared(lengthBytes: number): Uint8Array {
  if (lengthBytes < UNCLEARED_MIN_BYTES) return new Uint8Array(lengthBytes);
  return new Uint8Array(Buffer.allocUnsafeSlow(lengthBytes).buffer);
}

import { ChannelError } from '../errors.js';
import type { SharedMapping } from '../linux/index.js';
import {
  ENTRY_ALIGNMENT,
  EntryOffset,
  EntryType,
  isEntry,
  RING_HEADER_BYTES,
  RingOffset,
  SWITCH_BYTES,
  SWITCH_RESERVE_BYTES,
} from './layout.js';

/** What both ends of a ring need: its words, and its memory. */
class RingEnd {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** the same memory: entries begin at multiples of 8 */
  readonly quads: Int32Array;
  readonly capacity: number;
  /** address of the bell word, for futex(2) */
  readonly bellAddress: number;
  protected readonly words: Int32Array;
  protected readonly mask: number;

  /** A ring of `capacity` bytes (a power of two) whose header is at `offset` of `mapping`. */
  constructor(mapping: SharedMapping, offset: number, capacity: number) {
    const memory = mapping.bytes.buffer;
    this.words = new Int32Array(memory, offset, RING_HEADER_BYTES >>> 2);
    this.view = new DataView(memory, offset + RING_HEADER_BYTES, capacity);
    this.bytes = new Uint8Array(memory, offset + RING_HEADER_BYTES, capacity);
    this.quads = new Int32Array(memory, offset + RING_HEADER_BYTES, capacity >>> 2);
    this.bellAddress = mapping.address + offset + RingOffset.Bell;
    this.capacity = capacity;
    this.mask = capacity - 1;
  }

  get bell(): number {
    return Atomics.load(this.words, RingOffset.Bell >>> 2);
  }
}

/** The sending end. What is reserved and written becomes visible with `publish`. */
export class RingWriter extends RingEnd {
  /** position behind the last reservation */
  head = 0;
  private tail = 0;

  /** Room for an entry of `length` bytes, in one piece: its offset, or -1 when the ring is full. */
  reserve(length: number): number {
    return this.reserveLeaving(SWITCH_RESERVE_BYTES, length);
  }

  /** Room for the last entry of this ring. */
  reserveSwitch(): number {
    return this.reserveLeaving(0, SWITCH_BYTES);
  }

  private reserveLeaving(reserve: number, length: number): number {
    const at = this.head & this.mask;
    const toEnd = this.capacity - at;
    const total = length <= toEnd ? length : toEnd + length;
    const needed = total + reserve;
    if (needed > this.free() && needed > this.lookForRoom()) return -1;
    let offset = at;
    if (length > toEnd) {
      this.view.setUint32(at + EntryOffset.Length, toEnd, true);
      this.view.setUint32(at + EntryOffset.Type, EntryType.Pad, true);
      offset = 0;
    }
    this.head = (this.head + total) >>> 0;
    return offset;
  }

  publish(): void {
    Atomics.store(this.words, RingOffset.Head >>> 2, this.head | 0);
  }

  /** Reads how much the receiver has taken by now. */
  look(): void {
    this.lookForRoom();
  }

  /** Whether the receiver has taken everything up to `position`. */
  hasPassed(position: number): boolean {
    this.lookForRoom();
    return ((this.tail - position) | 0) >= 0;
  }

  /** Announces that what was written before there was a ring is in it now, or waits for room. */
  attach(): void {
    Atomics.store(this.words, RingOffset.Attached >>> 2, 1);
  }

  wantRoom(wanted: boolean): void {
    Atomics.store(this.words, RingOffset.WantsRoom >>> 2, wanted ? 1 : 0);
  }

  /** Changes the word that a receiver in futex(2) sleeps on. */
  pushBell(): void {
    Atomics.add(this.words, RingOffset.Bell >>> 2, 1);
  }

  /** Bytes that the receiver had not taken when its tail was last read. */
  get unreadBytes(): number {
    return (this.head - this.tail) >>> 0;
  }

  private free(): number {
    return this.capacity - ((this.head - this.tail) >>> 0);
  }

  /** A tail that is out of range is not believed: at worst its owner gets nothing more. */
  private lookForRoom(): number {
    const tail = Atomics.load(this.words, RingOffset.Tail >>> 2) >>> 0;
    const used = (this.head - tail) >>> 0;
    if (used <= (this.head - this.tail) >>> 0) this.tail = tail;
    return this.free();
  }
}

/** The receiving end. The sender may change anything in it at any time: every word is read once, then checked. */
export class RingReader extends RingEnd {
  /** of the entry that `next` found */
  offset = 0;
  length = 0;
  type = 0;
  private tail = 0;
  private head = 0;

  /** Reads what has been published by now; true when there is anything. */
  look(): boolean {
    const head = Atomics.load(this.words, RingOffset.Head >>> 2) >>> 0;
    if ((head - this.tail) >>> 0 > this.capacity) {
      throw new ChannelError(`head ${head} is out of range, tail ${this.tail}`);
    }
    this.head = head;
    return head !== this.tail;
  }

  /** Where the ring ended when it was last read. */
  get horizon(): number {
    return this.head;
  }

  /** Whether the next entry is in front of `position`. */
  isBefore(position: number): boolean {
    return ((position - this.tail) | 0) > 0;
  }

  get position(): number {
    return this.tail;
  }

  /** Finds the next entry, up to the horizon of the last read: false when there is none. */
  next(): boolean {
    while (this.tail !== this.head) {
      const offset = this.tail & this.mask;
      const length = this.view.getUint32(offset + EntryOffset.Length, true);
      const type = this.view.getUint32(offset + EntryOffset.Type, true);
      const available = (this.head - this.tail) >>> 0;
      const toEnd = this.capacity - offset;
      const isWhole = length <= available && length <= toEnd && length % ENTRY_ALIGNMENT === 0;
      if (!isWhole || length < ENTRY_ALIGNMENT) {
        throw new ChannelError(`an entry of ${length} bytes where only ${available} are available`);
      }
      if (!isEntry(type, length)) {
        throw new ChannelError(`an invalid entry of type ${type} and ${length} bytes`);
      }
      this.offset = offset;
      this.length = length;
      this.type = type;
      if (type !== EntryType.Pad) return true;
      this.tail = (this.tail + length) >>> 0;
    }
    return false;
  }

  /** Done with the entry that `next` found. */
  skip(): void {
    this.tail = (this.tail + this.length) >>> 0;
  }

  /** Whether the sender has something that found no room. */
  get wantsRoom(): boolean {
    return Atomics.load(this.words, RingOffset.WantsRoom >>> 2) !== 0;
  }

  /** Whether the sender may have committed something that is not in the ring. */
  get isBacklogged(): boolean {
    return this.wantsRoom || Atomics.load(this.words, RingOffset.Attached >>> 2) === 0;
  }

  /** Gives room back; true when the sender waits for it. */
  publish(): boolean {
    Atomics.store(this.words, RingOffset.Tail >>> 2, this.tail | 0);
    return this.wantsRoom;
  }
}

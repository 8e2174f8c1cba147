import { WIDE_ZERO } from '#core/stable-shape.js';
import { NativeMemory, spareAddressSpace, spareData } from '#core/linux/index.js';

/**
 * How much address space a host reserves. Pages cost nothing until they are touched; below 2^31 every offset
 * is a small integer, which JavaScript engines keep out of the heap.
 */
const ARENA_BYTES = 1 << 30;

/** Room for the receive window and some blocks. */
const ARENA_MIN_BYTES = 8 << 20;

/** The smallest block: a page's worth of typical messages. */
const BLOCK_MIN_SHIFT = 13;
/** The largest block; longer output lies in several. */
const BLOCK_MAX_SHIFT = 20;

export const BLOCK_MAX_BYTES = 1 << BLOCK_MAX_SHIFT;

/**
 * One stretch of native memory in which a host's receive window and outboxes lie, so that a message moves by
 * `copyWithin` and no object is made for it. Blocks are powers of two; a freed block is handed out
 * again first.
 */
export class Arena {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;

  private readonly memory: NativeMemory;
  private readonly free: number[][] = [];
  private top = 0;
  /** bytes in blocks that are handed out */
  usedBytes = 0;
  /** bytes in blocks that were given back, since the start */
  freedBytes = WIDE_ZERO;

  constructor(lengthBytes = arenaBytes()) {
    this.memory = NativeMemory.map(lengthBytes);
    this.bytes = this.memory.bytes;
    this.view = this.memory.view;
    this.address = this.memory.address;
    for (let shift = 0; shift <= BLOCK_MAX_SHIFT; shift++) this.free.push([]);
  }

  /** Allocates `lengthBytes` for good; returns their offset, aligned to 64, or -1 when the arena is full. */
  reserve(lengthBytes: number): number {
    const offset = (this.top + 63) & ~63;
    if (offset + lengthBytes > this.bytes.length) return -1;
    this.top = offset + lengthBytes;
    return offset;
  }

  /** A block of `1 << shift` bytes; -1 when the arena is full. */
  take(shift: number): number {
    const spare = this.free[shift];
    let offset = spare.length > 0 ? spare.pop()! : this.reserve(1 << shift);
    if (offset < 0) offset = this.split(shift);
    if (offset >= 0) this.usedBytes += 1 << shift;
    return offset;
  }

  /** No unused memory is left: takes a piece of a larger free block. */
  private split(shift: number): number {
    let larger = shift + 1;
    while (larger <= BLOCK_MAX_SHIFT && this.free[larger].length === 0) larger++;
    if (larger > BLOCK_MAX_SHIFT) return -1;
    const offset = this.free[larger].pop()!;
    for (let half = larger - 1; half >= shift; half--) this.free[half].push(offset + (1 << half));
    return offset;
  }

  give(offset: number, shift: number): void {
    this.free[shift].push(offset);
    this.usedBytes -= 1 << shift;
    this.freedBytes += 1 << shift;
  }

  /** Gives the pages of free blocks back to the kernel, which supplies new ones when they are used. */
  returnFree(): void {
    const blocks = this.free.flatMap((offsets, shift) =>
      offsets.map((start) => ({ start, end: start + (1 << shift) })),
    );
    blocks.sort((a, b) => a.start - b.start);
    let stretch = { start: 0, end: 0 };
    for (const { start, end } of blocks) {
      if (start === stretch.end) stretch.end = end;
      else {
        this.memory.returnPages(stretch.start, stretch.end - stretch.start);
        stretch = { start, end };
      }
    }
    this.memory.returnPages(stretch.start, stretch.end - stretch.start);
  }

  close(): void {
    this.memory.unmap();
  }
}

/** Where address space or data is limited, half of what is left: the other half is for V8 and the C library. */
function arenaBytes(): number {
  const half = Math.min(ARENA_BYTES, spareAddressSpace() / 2, spareData() / 2);
  return Math.max(ARENA_MIN_BYTES, half - (half % BLOCK_MAX_BYTES));
}

/** The shift of the smallest block that holds `lengthBytes`, at most that of the largest block. */
export function blockShiftFor(lengthBytes: number): number {
  let shift = BLOCK_MIN_SHIFT;
  while (shift < BLOCK_MAX_SHIFT && 1 << shift < lengthBytes) shift++;
  return shift;
}

import { mmap, munmap, viewMemory } from './libc.js';
import { checkMapping, EMPTY_BYTES, EMPTY_VIEW, PROT_READ, PROT_WRITE } from './native-memory.js';

const MAP_SHARED = 1; // linux/mman.h
const EMPTY_WORDS = new Int32Array(0);

/** The memory of a descriptor (a memfd), shared with every other mapping of it. */
export class SharedMapping {
  readonly length: number;
  address: number;
  bytes: Uint8Array;
  view: DataView;
  /** The same memory as words, for Atomics; a trailing part of a word is left out. */
  words: Int32Array;

  private constructor(address: number, lengthBytes: number) {
    const memory = viewMemory(address, lengthBytes);
    this.length = lengthBytes;
    this.address = address;
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.words = new Int32Array(memory, 0, lengthBytes >>> 2);
  }

  /**
   * The descriptor may be closed afterwards. A mapping that is not writable must not be written to:
   * SIGSEGV.
   */
  static map(fd: number, lengthBytes: number, { writable }: { writable: boolean }): SharedMapping {
    const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    const address = mmap(0, lengthBytes, protection, MAP_SHARED, fd, 0);
    return new SharedMapping(checkMapping(address, lengthBytes), lengthBytes);
  }

  /** Gives the mapping back. Views taken out of this object before must not be used any more. */
  unmap(): void {
    if (this.address === 0) return;
    const address = this.address;
    this.address = 0;
    this.bytes = EMPTY_BYTES;
    this.view = EMPTY_VIEW;
    this.words = EMPTY_WORDS;
    munmap(address, this.length);
  }
}

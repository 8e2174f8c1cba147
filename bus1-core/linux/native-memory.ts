import { SystemError } from './errno.js';
import { lastErrno, madvise, memoryAddress, mmap, munmap, pageSize, viewMemory } from './libc.js';

// asm-generic/mman-common.h and asm-generic/mman.h; see mmap(2).
export const PROT_READ = 1;
export const PROT_WRITE = 2;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
/** madvise(2): the pages are gone, and read as zeros until they are written again. */
export const MADV_DONTNEED = 4;
const MAP_NORESERVE = process.arch === 'ppc64' ? 0x40 : 0x4000;

// mmap(2) reports failure as MAP_FAILED, (void *) -1. No address of user space is as high as this.
const ADDRESS_LIMIT = 2 ** 53;

export const EMPTY_BYTES = new Uint8Array(0);
export const EMPTY_VIEW = new DataView(EMPTY_BYTES.buffer);

/**
 * Passes on the result of mmap, or throws a SystemError for MAP_FAILED. To be called right after
 * it.
 */
export function checkMapping(address: number, lengthBytes: number): number {
  if (address < ADDRESS_LIMIT) return address;
  throw new SystemError('mmap', lastErrno(), `${lengthBytes} bytes`);
}

/** Private anonymous memory at a fixed address; pages exist once they are touched. */
export class NativeMemory {
  readonly length: number;
  #address: number;
  #bytes: Uint8Array;
  #view: DataView;

  private constructor(address: number, lengthBytes: number) {
    const memory = viewMemory(address, lengthBytes);
    this.length = lengthBytes;
    this.#address = address;
    this.#bytes = new Uint8Array(memory);
    this.#view = new DataView(memory);
  }

  static map(lengthBytes: number): NativeMemory {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const address = mmap(0, lengthBytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    return new NativeMemory(checkMapping(address, lengthBytes), lengthBytes);
  }

  get address(): number {
    return this.#address;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get view(): DataView {
    return this.#view;
  }

  /** Gives the whole pages of a stretch back to the kernel; what was in the stretch is lost. */
  returnPages(offset: number, lengthBytes: number): void {
    const page = pageSize();
    const start = Math.ceil((this.#address + offset) / page) * page;
    const end = Math.floor((this.#address + offset + lengthBytes) / page) * page;
    if (end > start) madvise(start, end - start, MADV_DONTNEED);
  }

  /** Gives the memory back. Views taken out of this object before must not be used any more. */
  unmap(): void {
    if (this.#address === 0) return;
    const address = this.#address;
    this.#address = 0;
    this.#bytes = EMPTY_BYTES;
    this.#view = EMPTY_VIEW;
    munmap(address, this.length);
  }
}

// V8 keeps typed arrays of up to 64 bytes inside its moving heap; only larger ones have an address
// that lasts.
const ADDRESSABLE_MIN_BYTES = 65;

/**
 * Address of a JavaScript-owned buffer of 65 bytes or more that is not a slice of Node's pool.
 * The address is good as long as the caller keeps a reference to the buffer.
 */
export function addressOf(bytes: Uint8Array): number {
  if (bytes.buffer.byteLength < ADDRESSABLE_MIN_BYTES) {
    throw new RangeError(`a buffer of ${bytes.buffer.byteLength} bytes has no lasting address`);
  }
  return memoryAddress(bytes);
}

/** Zeroed memory owned by JavaScript together with its address; freed when `bytes` is collected. */
export function allocateBytes(length: number): { bytes: Uint8Array; address: number } {
  const buffer = new ArrayBuffer(Math.max(length, ADDRESSABLE_MIN_BYTES));
  const bytes = new Uint8Array(buffer, 0, length);
  return { bytes, address: memoryAddress(bytes) };
}

import { mallocTrim, mallopt } from './libc.js';

// malloc.h; see mallopt(3).
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;

/** DEFAULT_MMAP_THRESHOLD_MAX of glibc on 64 bits, and the trim threshold that goes with it (malloc/malloc.c). */
const MMAP_THRESHOLD_BYTES = 32 * 1024 * 1024;
const TRIM_THRESHOLD_BYTES = 2 * MMAP_THRESHOLD_BYTES;

/** What glibc begins with. */
const TRIM_THRESHOLD_FIRST_BYTES = 128 * 1024;

let isSet = false;

/**
 * Makes malloc keep freed buffers of up to 32 MiB for reuse, instead of returning them to the kernel each time:
 * clearing and mapping a fresh MiB costs many times what filling it does. glibc does the same by itself once a
 * program has freed a buffer of that size. Without glibc this does nothing.
 */
export function keepFreedMemory(): void {
  if (isSet) return;
  isSet = true;
  mallopt?.(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
  mallopt?.(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
}

/** Threads that start from now on share one malloc arena, instead of reserving 64 MiB of address space each. */
export function shareMallocArenas(): void {
  mallopt?.(M_ARENA_MAX, 1);
}

/**
 * The opposite, until keepFreedMemory is called again: each thread that frees memory returns what is free at the end of
 * its arena. malloc_trim does so for the arena of the main thread only, and the threads in which V8 compiles and
 * collects garbage would keep more than a MiB each.
 */
export function returnWhenFreed(): void {
  mallopt?.(M_TRIM_THRESHOLD, TRIM_THRESHOLD_FIRST_BYTES);
  isSet = false;
}

/** Returns free memory that malloc has kept to the kernel: malloc_trim(3). It takes milliseconds. */
export function returnFreedMemory(): void {
  mallocTrim?.(0);
}

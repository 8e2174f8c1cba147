import { fstatSync } from 'node:fs';
import { check } from './errno.js';
import { closeFd } from './fd.js';
import { fcntl, ftruncate, memfdCreate } from './libc.js';

// memfd_create(2), linux/memfd.h; fcntl(2), linux/fcntl.h.
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;

/** What F_ADD_SEALS can forbid, as bits. */
export const Seal = { Seal: 1, Shrink: 2, Grow: 4, Write: 8, FutureWrite: 16 } as const;

/** Zeroed memory with a descriptor. `name` only shows up in /proc/PID/maps. */
export function createMemfd(
  name: string,
  lengthBytes: number,
  { allowSealing }: { allowSealing: boolean } = { allowSealing: true },
): number {
  const flags = allowSealing ? MFD_CLOEXEC | MFD_ALLOW_SEALING : MFD_CLOEXEC;
  const fd = check(memfdCreate(name, flags), 'memfd_create', name);
  try {
    resizeMemfd(fd, lengthBytes);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

export function resizeMemfd(fd: number, lengthBytes: number): void {
  check(ftruncate(fd, lengthBytes), 'ftruncate', `${lengthBytes} bytes`);
}

/** Adds seals. A memfd sealed against shrinking can be read without fear of SIGBUS. */
export function sealMemfd(fd: number, seals: number): void {
  check(fcntl(fd, F_ADD_SEALS, seals), 'fcntl(F_ADD_SEALS)', `descriptor ${fd}`);
}

/** The seals set so far. Throws for a descriptor that cannot be sealed: it is no memfd. */
export function memfdSeals(fd: number): number {
  return check(fcntl(fd, F_GET_SEALS, 0), 'fcntl(F_GET_SEALS)', `descriptor ${fd}`);
}

/** Device of the file system in which memfd_create(2) makes ordinary memory; -1 until it is first needed. */
let memoryDevice = -1;

/**
 * The length of a received memfd that has all of `seals`; -1 for any other kind of descriptor. Memory of large
 * pages (MFD_HUGETLB) is refused as well: when none are left, reading a hole in it raises SIGBUS.
 */
export function memfdBytes(fd: number, seals: number): number {
  const found = fcntl(fd, F_GET_SEALS, 0);
  if (found < 0 || (found & seals) !== seals) return -1;
  const { dev, size } = fstatSync(fd);
  if (memoryDevice < 0) memoryDevice = deviceOfMemory();
  return dev === memoryDevice ? size : -1;
}

function deviceOfMemory(): number {
  const fd = createMemfd('bus1-probe', 0);
  try {
    return fstatSync(fd).dev;
  } finally {
    closeFd(fd);
  }
}

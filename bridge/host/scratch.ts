import { allocateBytes } from '#core/linux/index.js';

const SCRATCH_BYTES = 64 * 1024;
const memory = allocateBytes(SCRATCH_BYTES);

/** The address of a copy of `bytes` that a system call may read, until the next call; undefined: too many. */
export function scratch(bytes: Uint8Array): number | undefined {
  if (bytes.length > SCRATCH_BYTES) return undefined;
  memory.bytes.set(bytes);
  return memory.address;
}

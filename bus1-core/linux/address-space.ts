import { readFileSync } from 'node:fs';
import * as libc from './libc.js';
import { check } from './errno.js';
import { readLimit } from './process.js';

/** asm-generic/resource.h; getrlimit(2) */
const RLIMIT_AS = 9;

/** How many more bytes this process may map; Infinity without a limit (ulimit -v, LimitAS=). */
export function spareAddressSpace(): number {
  const bytes = new Uint8Array(16);
  check(libc.getrlimit(RLIMIT_AS, bytes), 'getrlimit(RLIMIT_AS)');
  const limit = readLimit(new DataView(bytes.buffer), 0);
  return limit === Infinity ? Infinity : Math.max(0, limit - mappedBytes());
}

/** VmSize of proc_pid_status(5), in bytes; 0 without /proc. */
function mappedBytes(): number {
  try {
    const status = readFileSync('/proc/self/status', 'latin1');
    return Number(/^VmSize:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

import { readFileSync } from 'node:fs';
import { madvise } from './libc.js';
import { MADV_DONTNEED } from './native-memory.js';

/** A part of the address space of a process. */
interface MemoryRange {
  readonly address: number;
  readonly lengthBytes: number;
}

/** A mapping that cannot be written and is not shared, in the first of its lines in smaps: proc_pid_smaps(5). */
const READ_ONLY_MAPPING = /^([\da-f]+)-([\da-f]+) r-[x-]p \S+ \S+ \d+ +(.+)$/;

/** The mappings of the file `program` in the text of /proc/PID/smaps of which this process has changed no page. */
export function unchangedMappings(smaps: string, program: string): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  let mapping: MemoryRange | null = null;
  for (const line of smaps.split('\n')) {
    if (/^[\da-f]+-/.test(line)) {
      const [, start = '', end = '', path] = READ_ONLY_MAPPING.exec(line) ?? [];
      const address = Number.parseInt(start, 16);
      const lengthBytes = Number.parseInt(end, 16) - address;
      mapping = path === program ? { address, lengthBytes } : null;
    } else if (mapping !== null && /^Anonymous: +0 kB$/.test(line)) ranges.push(mapping);
  }
  return ranges;
}

/**
 * Takes the pages of the running program out of this process's memory: most were needed to start only. They stay in the
 * page cache, from which those that are needed again come back with a minor fault. On a kernel without smaps nothing
 * happens.
 */
export function forgetProgramPages(): void {
  let smaps: string;
  try {
    smaps = readFileSync('/proc/self/smaps', 'latin1');
  } catch {
    return;
  }
  for (const { address, lengthBytes } of unchangedMappings(smaps, process.execPath)) {
    madvise(address, lengthBytes, MADV_DONTNEED);
  }
}

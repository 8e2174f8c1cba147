import { readlinkSync } from 'node:fs';

/** Describes a process in messages to users: its pid and its program. */
export function processText(pid: number | undefined): string {
  if (pid === undefined) return 'an unknown process';
  try {
    return `pid ${pid}, ${readlinkSync(`/proc/${pid}/exe`)}`;
  } catch {
    return `pid ${pid}, program unknown`;
  }
}

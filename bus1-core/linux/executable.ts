import { readFileSync, readlinkSync } from 'node:fs';

const LENGTH_MAX = 200;

/**
 * The program of a process, for a diagnostic: the path of its executable or, where this process may not read that, its
 * name in quotes. Both are the process's own choice, so only printable ASCII is passed on. Empty when it has gone.
 */
export function executableOf(pid: number): string {
  if (pid <= 0) return '';
  return printable(readExecutable(pid)).slice(0, LENGTH_MAX);
}

function readExecutable(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return readName(pid);
  }
}

function readName(pid: number): string {
  try {
    return `"${readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd()}"`;
  } catch {
    return '';
  }
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

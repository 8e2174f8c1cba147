import { programOf } from '#bridge/registry/identity.js';

/** Describes a process in messages to users: its pid and its program. */
export function processText(pid: number | undefined): string {
  return pid === undefined
    ? 'an unknown process'
    : `pid ${pid}, ${programOf(pid) ?? 'program unknown'}`;
}

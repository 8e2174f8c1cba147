import { readFileSync } from 'node:fs';

/** One line of /proc/PID/uid_map as we read it: `length` uids from `inside` on are ours from `outside` on. */
interface UidRange {
  readonly inside: number;
  readonly outside: number;
  readonly length: number;
}

/** user_namespaces(7), "User and group ID mappings" */
export function parseUidMap(text: string): UidRange[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [inside = 0, outside = 0, length = 0] = line.trim().split(/\s+/u).map(Number);
      return { inside, outside, length };
    });
}

/** The uid outside the namespace for one inside it; undefined when it is not mapped. */
export function outsideUid(map: readonly UidRange[], uid: number): number | undefined {
  const range = map.find(({ inside, length }) => uid >= inside && uid < inside + length);
  return range === undefined ? undefined : range.outside + (uid - range.inside);
}

/**
 * Whether the process behind a socket, which has `uid` according to the kernel, may claim `claimedUid`: it is in a
 * user namespace in which that is its uid. `pidFd` proves that the pid has not been reused meanwhile.
 */
export function isSameUserInNamespace(
  process: { readonly uid: number; readonly pid: number; readonly pidFd: number },
  claimedUid: number,
): boolean {
  try {
    const map = parseUidMap(readFileSync(`/proc/${process.pid}/uid_map`, 'latin1'));
    return outsideUid(map, claimedUid) === process.uid && pidBehind(process.pidFd) === process.pid;
  } catch {
    return false;
  }
}

/** The pid that a pidfd refers to, -1 when that process has ended (proc(5), /proc/PID/fdinfo). */
function pidBehind(pidFd: number): number {
  const found = /^Pid:\s*(-?\d+)$/mu.exec(readFileSync(`/proc/self/fdinfo/${pidFd}`, 'latin1'));
  return found === null ? -1 : Number(found[1]);
}

import { existsSync, readFileSync, statSync } from 'node:fs';
import { hasPeerPidFd } from '#core/linux/index.js';
import type { Credentials } from '#bridge/registry/connection.js';
import type { ClientOrigin, Role, RoleConditions } from '#policy/index.js';

/**
 * The facts about a client that some role depends on; undefined: no role depends on any. What is read from /proc is
 * about the process that connected (SO_PEERPIDFD, Linux 6.5), not about a later one with the same pid.
 */
export function originOf(
  roles: readonly Role[],
  credentials: Omit<Credentials, 'atConsole'>,
  listener: string | undefined,
): ClientOrigin | undefined {
  const asksFor = (condition: keyof RoleConditions): boolean =>
    roles.some(({ conditions }) => conditions[condition] !== undefined);
  const asksForGroup = asksFor('unit') || asksFor('userUnit') || asksFor('cgroup');
  const asksForProcess = asksForGroup || asksFor('executable');
  if (!asksForProcess && !asksFor('label') && !asksFor('listener')) return undefined;
  return {
    ...(asksForProcess && processOf(roles, credentials)),
    label: asksFor('label') ? textOf(credentials.securityLabel) : undefined,
    listener,
  };
}

function processOf(
  roles: readonly Role[],
  credentials: Pick<Credentials, 'pid' | 'pidFd'>,
): ClientOrigin {
  const { pid } = credentials;
  if (pid === undefined) return { isProcessUnknown: true };
  const found = { executables: executablesAmong(roles, pid), cgroup: cgroupOf(pid) };
  return isStill(credentials) ? found : { isProcessUnknown: true };
}

/**
 * Those of the paths in roles that lead to the file that the process runs. Compares files, not paths: in a mount
 * namespace of its own, a process can show any path (mount_namespaces(7), proc_pid_exe(5)).
 */
function executablesAmong(roles: readonly Role[], pid: number): readonly string[] {
  const paths = roles.flatMap(({ conditions }) => conditions.executable ?? []);
  const running = paths.length === 0 ? undefined : fileAt(`/proc/${pid}/exe`);
  return running === undefined ? [] : paths.filter((path) => fileAt(path) === running);
}

function fileAt(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}

/** The control group in systemd's hierarchy: version 2, or systemd's own one beside version 1 (cgroups(7)). */
function cgroupOf(pid: number): string | undefined {
  try {
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
    const line =
      lines.find((each) => each.includes(':name=systemd:')) ??
      lines.find((each) => each.startsWith('0::'));
    return line?.replace(/^\d+:[^:]*:/u, '');
  } catch {
    return undefined;
  }
}

/** Whether `pid` still is the process that connected. Without SO_PEERPIDFD, it suffices that some process has it. */
function isStill({ pid, pidFd }: Pick<Credentials, 'pid' | 'pidFd'>): boolean {
  if (pidFd === undefined) return !hasPeerPidFd() && existsSync(`/proc/${pid}`);
  try {
    const info = readFileSync(`/proc/self/fdinfo/${pidFd}`, 'utf8');
    return /^Pid:\s*(?<pid>-?\d+)$/mu.exec(info)?.groups?.['pid'] === String(pid);
  } catch {
    return false;
  }
}

function textOf(label: Uint8Array | undefined): string | undefined {
  return label && Buffer.from(label).toString();
}

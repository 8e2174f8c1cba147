import { readFileSync, readlinkSync } from 'node:fs';

/** A process in the log, by the identifiers that journalctl and ps use. */
export interface LoggedProcess {
  readonly pid?: number;
  readonly uid?: number;
  readonly program?: string;
  /** systemd's, where it is known */
  readonly unit?: string;
}

/** Reads the identity from /proc at the time of the call: a process that has gone has only its numbers. */
export function identityOf(pid: number | undefined, uid: number | undefined): LoggedProcess {
  const program = pid === undefined ? undefined : programOf(pid);
  const unit = pid === undefined ? undefined : unitOf(pid);
  return {
    ...(pid !== undefined && { pid }),
    ...(uid !== undefined && { uid }),
    ...(program !== undefined && { program }),
    ...(unit !== undefined && { unit }),
  };
}

/** The path of the executable; undefined when the process has gone, or /proc does not show it to us (proc(5)). */
export function programOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/** The last unit in the path of the control group (systemd.unit(5), cgroups(7)). */
function unitOf(pid: number): string | undefined {
  try {
    const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    return groups.match(/[^/\n]+\.(?:service|scope)(?=\/|$)/gmu)?.at(-1);
  } catch {
    return undefined;
  }
}

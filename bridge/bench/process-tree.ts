import { readdirSync, readFileSync } from 'node:fs';

/** A process and all that it has started, by process ID. */
export function withDescendants(pid: number): number[] {
  const children = threadsOf(pid).flatMap((thread) =>
    readProc(`${pid}/task/${thread}/children`)
      .split(' ')
      .filter((word) => word !== ''),
  );
  return [pid, ...children.flatMap((child) => withDescendants(Number(child)))];
}

export function threadsOf(pid: number): string[] {
  return existing(() => readdirSync(`/proc/${pid}/task`)) ?? [];
}

/** A file below /proc; empty for a process or thread that has ended meanwhile. */
export function readProc(path: string): string {
  return existing(() => readFileSync(`/proc/${path}`, 'utf8')) ?? '';
}

/** Processor time that was used up, and how it was split. */
export interface CpuTime {
  /** from the scheduler's own account (/proc/PID/schedstat), in nanoseconds */
  readonly totalNs: number;
  /** clock ticks in user mode and in the kernel (proc_pid_stat(5)): coarse, but separate */
  readonly userTicks: number;
  readonly systemTicks: number;
}

/** What the threads of these processes have used so far. */
export function cpuTime(pids: readonly number[]): CpuTime {
  let totalNs = 0;
  let userTicks = 0;
  let systemTicks = 0;
  for (const pid of pids) {
    for (const thread of threadsOf(pid)) {
      totalNs += Number(readProc(`${pid}/task/${thread}/schedstat`).split(' ')[0]);
    }
    /* the name of the program, in brackets, may hold anything */
    const stat = readProc(`${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    userTicks += Number(fields[11] ?? 0);
    systemTicks += Number(fields[12] ?? 0);
  }
  return { totalNs, userTicks, systemTicks };
}

/** Resident memory of these processes together, in bytes (proc_pid_status(5), VmRSS). */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const [, kib] = /^VmRSS:\s*(\d+) kB/m.exec(readProc(`${pid}/status`)) ?? [];
    return sum + Number(kib ?? 0) * 1024;
  }, 0);
}

/** undefined for a process or thread that has ended meanwhile. */
function existing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

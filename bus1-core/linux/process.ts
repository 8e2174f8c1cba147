import { readFileSync } from 'node:fs';
import { check } from './errno.js';
import * as libc from './libc.js';

// The libc calls change every thread of the process (nptl(7)) and work in worker threads, unlike
// Node's own.

/** Options of prctl(2), linux/prctl.h. */
export const PrctlOption = {
  SetParentDeathSignal: 1,
  GetDumpable: 3,
  SetDumpable: 4,
  SetKeepCapabilities: 8,
  SetName: 15,
  SetChildSubreaper: 36,
  SetNoNewPrivileges: 38,
} as const;

// asm-generic/resource.h; getrlimit(2)
const RLIMIT_DATA = 2;
const RLIMIT_NOFILE = 7;
const RLIMIT_AS = 9;

export function getuid(): number {
  return libc.getuid();
}

export function geteuid(): number {
  return libc.geteuid();
}

export function setuid(uid: number): void {
  check(libc.setuid(uid), 'setuid', String(uid));
}

export function setgid(gid: number): void {
  check(libc.setgid(gid), 'setgid', String(gid));
}

export function setgroups(gids: readonly number[]): void {
  check(libc.setgroups(gids.length, new Uint32Array(gids)), 'setgroups');
}

/** Sets the file mode mask; returns the one before. */
export function umask(mask: number): number {
  return libc.umask(mask);
}

/** Yields the processor to other threads that are ready to run: sched_yield(2). */
export function yieldProcessor(): void {
  libc.schedYield();
}

/** Starts a new session; returns its ID. EPERM for a process group leader. */
export function setsid(): number {
  return check(libc.setsid(), 'setsid');
}

export function prctl(option: number, argument: number): number {
  return check(libc.prctl(option, argument, 0, 0, 0), `prctl(${option})`);
}

/** What ps, pgrep, killall and the kernel's log show: of the main thread it is the name of the process; 15 bytes. */
export function nameThread(name: string): void {
  check(libc.prctlText(PrctlOption.SetName, name, 0, 0, 0), 'prctl(PR_SET_NAME)', name);
}

export interface OpenFilesLimit {
  soft: number;
  hard: number;
}

/** RLIMIT_NOFILE; Infinity for no limit. */
export function getOpenFilesLimit(): OpenFilesLimit {
  const limit = new Uint8Array(16);
  check(libc.getrlimit(RLIMIT_NOFILE, limit), 'getrlimit(RLIMIT_NOFILE)');
  return openFilesLimit(limit);
}

export function setOpenFilesLimit(limit: OpenFilesLimit): void {
  const detail = `${limit.soft} of ${limit.hard}`;
  check(libc.setrlimit(RLIMIT_NOFILE, limitBytes(limit)), 'setrlimit(RLIMIT_NOFILE)', detail);
}

/** RLIMIT_NOFILE of another process; undefined where it is gone, or that of another user. */
export function getOpenFilesLimitOf(pid: number): OpenFilesLimit | undefined {
  const limit = new Uint8Array(16);
  return libc.prlimit(pid, RLIMIT_NOFILE, null, limit) === 0 ? openFilesLimit(limit) : undefined;
}

/** Sets RLIMIT_NOFILE of another process: prlimit(2). ESRCH when it has gone. */
export function setOpenFilesLimitOf(pid: number, limit: OpenFilesLimit): void {
  const detail = `process ${pid}, ${limit.soft} of ${limit.hard}`;
  const bytes = limitBytes(limit);
  check(libc.prlimit(pid, RLIMIT_NOFILE, bytes, null), 'prlimit(RLIMIT_NOFILE)', detail);
}

/** How many more bytes this process may map; Infinity without a limit (ulimit -v, LimitAS=). */
export function spareAddressSpace(): number {
  return spare(RLIMIT_AS, /^VmSize:\s+(\d+) kB$/m);
}

/** How many more bytes of private memory that can be written this process may map: ulimit -d, LimitDATA=. */
export function spareData(): number {
  return spare(RLIMIT_DATA, /^VmData:\s+(\d+) kB$/m);
}

function spare(resource: number, used: RegExp): number {
  const bytes = new Uint8Array(16);
  check(libc.getrlimit(resource, bytes), 'getrlimit', `resource ${resource}`);
  const limit = readLimit(new DataView(bytes.buffer), 0);
  return limit === Infinity ? Infinity : Math.max(0, limit - usedBytes(used));
}

/** What proc_pid_status(5) says, in bytes; 0 without /proc. */
function usedBytes(line: RegExp): number {
  try {
    const status = readFileSync('/proc/self/status', 'latin1');
    return Number(line.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

const RLIM_INFINITY = 2n ** 64n - 1n;

/** From a struct rlimit. */
function openFilesLimit(limit: Uint8Array): OpenFilesLimit {
  const view = new DataView(limit.buffer);
  return { soft: readLimit(view, 0), hard: readLimit(view, 8) };
}

/** struct rlimit */
function limitBytes({ soft, hard }: OpenFilesLimit): Uint8Array {
  const limit = new Uint8Array(16);
  const view = new DataView(limit.buffer);
  writeLimit(view, 0, soft);
  writeLimit(view, 8, hard);
  return limit;
}

/** One of the two numbers of a struct rlimit. */
function readLimit(view: DataView, offset: number): number {
  const value = view.getBigUint64(offset, true);
  return value === RLIM_INFINITY ? Infinity : Number(value);
}

function writeLimit(view: DataView, offset: number, value: number): void {
  view.setBigUint64(offset, value === Infinity ? RLIM_INFINITY : BigInt(value), true);
}

/** Replaces this process by another program: execve(2). Returns only by an exception. */
export function replaceProcess(
  file: string,
  argv: readonly string[],
  environment: readonly string[],
): never {
  check(libc.execve(file, [...argv, null], [...environment, null]), 'execve', file);
  throw new Error(`execve ${file} has returned`);
}

/** Sends a signal; 0 only asks whether the process is there (ESRCH if not). */
export function killProcess(pid: number, signal: number): void {
  check(libc.kill(pid, signal), 'kill', `process ${pid}`);
}

import { Errno } from './errno.js';
import { closeFd } from './fd.js';
import * as libc from './libc.js';
import { getOpenFilesLimit, killProcess } from './process.js';

/** How long descriptors may wait to be closed, so that a flood of them starts few processes. */
const DELAY_MS = 100;
/** So many do not wait any longer; and no more than this part of what the process may open. */
const WAITING_MAX = 1024;
const WAITING_PART_MAX = 1 / 8;
/** waitpid(2) */
const WNOHANG = 1;
/** posix_spawn_file_actions_t has 80 bytes with glibc and with musl. */
const FILE_ACTIONS_BYTES = 128;
/** Why no process can be started for the moment. */
const SHORTAGES: ReadonlySet<number> = new Set([
  Errno.EAGAIN,
  Errno.EMFILE,
  Errno.ENFILE,
  Errno.ENOMEM,
]);
const SIGKILL = 9;
/** Does nothing until it is killed, and not for ever if this process ends before. */
const PROGRAM = '/bin/sh';
const ARGUMENTS = ['sh', '-c', 'exec sleep 60', null];

export type RunLater = (delayMs: number, action: () => void) => void;

let runLater: RunLater = (delayMs, action) => void setTimeout(action, delayMs);
let isDue = false;
const waiting: number[] = [];
const waitingMax = Math.min(WAITING_MAX, Math.ceil(getOpenFilesLimit().soft * WAITING_PART_MAX));
/** killed, and perhaps not ended yet */
let children: number[] = [];

/** For a thread that does not run the loop of Node: how it runs something at a later time. */
export function setRunLater(run: RunLater): void {
  runLater = run;
}

/**
 * Has a child process do the last close of a unix socket with unread descriptors in its messages, which would wait if
 * one of those is a socket with SO_LINGER: a process that ends does not wait (inet_release, net/ipv4/af_inet.c). To
 * read the messages is no way, as they belong to whoever else holds the socket, and lead to further sockets, to any
 * depth.
 */
export function closeInChild(fd: number): void {
  waiting.push(fd);
  if (waiting.length === waitingMax) closeWaiting();
  else wakeLater();
}

/** Whether a child process will be started anyway: one more descriptor costs it little. */
export function isChildDue(): boolean {
  return waiting.length > 0;
}

function wakeLater(): void {
  if (isDue) return;
  isDue = true;
  runLater(DELAY_MS, () => {
    isDue = false;
    closeWaiting();
    children = children.filter((pid) => libc.waitpid(pid, null, WNOHANG) === 0);
    if (waiting.length > 0 || children.length > 0) wakeLater();
  });
}

function closeWaiting(): void {
  if (waiting.length === 0) return;
  const pid = new Int32Array(1);
  const error = startWith(waiting, pid);
  if (!SHORTAGES.has(error)) for (const fd of waiting.splice(0)) closeFd(fd);
  const [child = 0] = pid;
  if (error === 0) {
    killProcess(child, SIGKILL);
    children.push(child);
  }
  wakeLater();
}

/** Starts a process that has these descriptors as well; opens none for that. Returns 0 or an errno. */
function startWith(fds: readonly number[], pid: Int32Array): number {
  const actions = new Uint8Array(FILE_ACTIONS_BYTES);
  libc.spawnActionsInit(actions);
  /* the same number: this takes close-on-exec away, in the child alone */
  for (const fd of fds) libc.spawnActionsAddDup2(actions, fd, fd);
  const environment = [`PATH=${process.env['PATH'] ?? '/usr/bin:/bin'}`, null];
  const error = libc.posixSpawn(pid, PROGRAM, actions, null, ARGUMENTS, environment);
  libc.spawnActionsDestroy(actions);
  return error;
}

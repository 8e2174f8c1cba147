import { Errno, SystemError } from './errno.js';
import { closeFd } from './fd.js';
import { getsockopt, lastErrno } from './libc.js';
import { socketPair } from './socket.js';

// asm-generic/socket.h; see unix(7). powerpc numbers the first one differently (its asm/socket.h).
const SOL_SOCKET = 1;
const SO_PEERCRED = process.arch === 'ppc64' ? 21 : 17;
const SO_PEERSEC = 31;
const SO_PEERGROUPS = 59;
const SO_PEERPIDFD = 77;

const LABEL_GUESS_BYTES = 256;
const GROUPS_GUESS = 64;

/** struct ucred { pid_t pid; uid_t uid; gid_t gid; } of the last call */
const ucred = new Uint32Array(3);
const ucredView = new DataView(ucred.buffer);
const ucredLength = new Uint32Array(1);

export interface PeerCredentials {
  pid: number;
  uid: number;
  gid: number;
}

/**
 * The process that made the other end of the socket (by connect or listen). Throws for a socket without such
 * credentials.
 */
export function peerCredentials(fd: number): PeerCredentials {
  ucredLength[0] = ucred.byteLength;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, ucredLength) !== 0) {
    throw new SystemError('getsockopt(SO_PEERCRED)', lastErrno(), `descriptor ${fd}`);
  }
  return {
    pid: ucredView.getInt32(0, true),
    uid: ucredView.getUint32(4, true),
    gid: ucredView.getUint32(8, true),
  };
}

/** The peer's supplementary groups, ascending; undefined when the kernel cannot tell. */
export function peerGroups(fd: number): number[] | undefined {
  const found = readGrowing(fd, SO_PEERGROUPS, GROUPS_GUESS * 4, 'getsockopt(SO_PEERGROUPS)');
  if (found === undefined) return undefined;
  const gids = new Uint32Array(found.buffer, 0, found.length >>> 2);
  return [...gids].toSorted((a, b) => a - b);
}

/**
 * A descriptor for the peer's process, close-on-exec, the caller's to close; undefined before Linux
 * 6.5.
 */
export function peerPidFd(fd: number): number | undefined {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, value, length) === 0) return value[0];
  return undefinedUnlessBroken(fd, lastErrno(), 'getsockopt(SO_PEERPIDFD)');
}

let knowsPeerPidFd: boolean | undefined;

/** Whether the kernel has SO_PEERPIDFD: if so, a peer for which `peerPidFd` returns undefined has ended. */
export function hasPeerPidFd(): boolean {
  if (knowsPeerPidFd === undefined) {
    const pair = socketPair();
    const own = peerPidFd(pair[0]);
    knowsPeerPidFd = own !== undefined;
    for (const fd of [...pair, ...(own === undefined ? [] : [own])]) closeFd(fd);
  }
  return knowsPeerPidFd;
}

/**
 * The label that SELinux or another security module gives the peer, without NUL; undefined without
 * such a module.
 */
export function peerSecurityLabel(fd: number): Uint8Array | undefined {
  const found = readGrowing(fd, SO_PEERSEC, LABEL_GUESS_BYTES, 'getsockopt(SO_PEERSEC)');
  if (found === undefined) return undefined;
  let end = found.length;
  while (end > 0 && found[end - 1] === 0) end--;
  return end === 0 ? undefined : found.slice(0, end);
}

/** On ERANGE the kernel writes the length that it needs into the length word. */
function readGrowing(
  fd: number,
  option: number,
  guessBytes: number,
  call: string,
): Uint8Array | undefined {
  let value = new Uint8Array(guessBytes);
  for (;;) {
    const length = new Uint32Array([value.length]);
    if (getsockopt(fd, SOL_SOCKET, option, value, length) === 0) return value.slice(0, length[0]);
    const errno = lastErrno();
    const [needed = 0] = length;
    if (errno !== Errno.ERANGE || needed <= value.length) {
      return undefinedUnlessBroken(fd, errno, call);
    }
    value = new Uint8Array(needed);
  }
}

/**
 * Undefined where the kernel has no answer. Throws for a descriptor that is not an open socket, which is a bug of the
 * caller, and for EMFILE.
 */
function undefinedUnlessBroken(fd: number, errno: number, call: string): undefined {
  if (errno === Errno.EBADF || errno === Errno.ENOTSOCK || errno === Errno.EMFILE) {
    throw new SystemError(call, errno, `descriptor ${fd}`);
  }
  return undefined;
}

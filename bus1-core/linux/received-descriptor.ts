import { closeSync, openSync, readSync } from 'node:fs';
import { closeInChild, isChildDue } from './close-in-child.js';
import { closeFd, socketDomain } from './fd.js';
import { setsockopt } from './libc.js';
import { waitReadable } from './poll.js';
import { AF_UNIX } from './socket.js';

// socket(7), asm-generic/socket.h.
const SOL_SOCKET = 1;
const SO_LINGER = 13;

/** struct linger, off */
const NO_LINGER = new Int32Array([0, 0]);

/**
 * Closes a descriptor that another process has sent, which need not be trusted. The last close(2) of a socket waits
 * until the other end has taken what was written, for as long as whoever made it has set with SO_LINGER (socket(7)):
 * so that is switched off first. Others that hold the socket lose the option as well. The last close of a unix socket
 * also closes the descriptors in messages to it: a child process does that.
 */
export function closeReceived(fd: number): void {
  const isSocket = setsockopt(fd, SOL_SOCKET, SO_LINGER, NO_LINGER, NO_LINGER.byteLength) === 0;
  if (isSocket && socketDomain(fd) === AF_UNIX && holdsDescriptors(fd)) closeInChild(fd);
  else closeFd(fd);
}

/**
 * Whether messages with descriptors may wait at a unix socket, or connections that have sent such messages. Linux
 * tells since 5.10 (unix_show_fdinfo, net/unix/af_unix.c); before, any message counts.
 */
function holdsDescriptors(fd: number): boolean {
  if (!waitReadable(fd, 0)) return false;
  if (isChildDue()) return true; // to ask would cost more
  try {
    return !/^scm_fds:\s*0$/m.test(readInformation(fd));
  } catch (error) {
    /* without /proc nobody can tell; with too many open files it may well be */
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT');
  }
}

/** Longer than what the kernel tells of a socket: five short lines. */
const information = Buffer.alloc(512);

/** What the kernel tells of a descriptor; in three system calls, as a client may send very many. */
function readInformation(fd: number): string {
  const file = openSync(`/proc/thread-self/fdinfo/${fd}`, 'r');
  try {
    return information.toString('latin1', 0, readSync(file, information));
  } finally {
    closeSync(file);
  }
}

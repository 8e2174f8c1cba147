import { chmodSync } from 'node:fs';
import { check, Errno, SystemError } from './errno.js';
import { closeFd, setNonBlocking } from './fd.js';
import * as libc from './libc.js';
import { resolveTcp } from './tcp-address.js';

// asm-generic/socket.h, linux/socket.h, linux/net.h; see socket(2).
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_OOBINLINE = 10;
const SOL_TCP = 6;
const TCP_NODELAY = 1;
const SHUT_RDWR = 2;

const SUN_PATH_BYTES = 108; // struct sockaddr_un, unix(7)
const BACKLOG_DEFAULT = 128;

/** struct sockaddr_un for a path, or for an abstract name, which starts with '\0'. */
export function unixAddress(path: string): Uint8Array {
  const name = Buffer.from(path, 'utf8');
  const abstract = name[0] === 0;
  // A path has a NUL at its end, an abstract name is as long as the address says: unix(7).
  const length = name.length + (abstract ? 0 : 1);
  if (name.length === 0) throw new SystemError('bind', Errno.EINVAL, 'empty socket path');
  if (length > SUN_PATH_BYTES) {
    const detail = `socket path of ${name.length} bytes, at most ${SUN_PATH_BYTES - 1}: ${path}`;
    throw new SystemError('bind', Errno.ENAMETOOLONG, detail);
  }
  const address = new Uint8Array(2 + length);
  address[0] = AF_UNIX;
  address.set(name, 2);
  return address;
}

/** How a socket path is written in messages and addresses: '@' for the NUL of an abstract name. */
function printable(path: string): string {
  return path.startsWith('\0') ? `@${path.slice(1)}` : path;
}

/** Closes `fd` if `step` throws. */
function closingOnFailure<T>(fd: number, step: () => T): T {
  try {
    return step();
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

export interface ListenOptions {
  backlog?: number;
  /** Permission bits of the socket file; umask decides when absent. */
  mode?: number;
}

/**
 * Listens on a path, or on an abstract name ('\0name'). An existing file is left alone: EADDRINUSE.
 */
export function listenUnix(path: string, { backlog, mode }: ListenOptions = {}): number {
  const address = unixAddress(path);
  const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = check(libc.socket(AF_UNIX, type, 0), 'socket');
  return closingOnFailure(fd, () => {
    check(libc.bindSocket(fd, address, address.length), 'bind', printable(path));
    if (mode !== undefined && !path.startsWith('\0')) chmodSync(path, mode);
    check(libc.listen(fd, backlog ?? BACKLOG_DEFAULT), 'listen', printable(path));
    return fd;
  });
}

/**
 * Connects to a path or an abstract name; waits if the listener is busy. The result is
 * non-blocking.
 */
export function connectUnix(path: string): number {
  const address = unixAddress(path);
  const fd = check(libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  return connectSocket(fd, address, printable(path));
}

function connectSocket(fd: number, address: Uint8Array, detail: string): number {
  return closingOnFailure(fd, () => {
    keepUrgentData(fd);
    let errno = libc.connect(fd, address, address.length) === 0 ? 0 : libc.lastErrno();
    while (errno === Errno.EINTR) {
      errno = libc.connect(fd, address, address.length) === 0 ? 0 : libc.lastErrno();
    }
    if (errno !== 0) throw new SystemError('connect', errno, detail);
    setNonBlocking(fd);
    return fd;
  });
}

/** Receives datagrams on a path or an abstract name; non-blocking and close-on-exec. */
export function bindDatagram(path: string): number {
  const address = unixAddress(path);
  const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = check(libc.socket(AF_UNIX, type, 0), 'socket');
  return closingOnFailure(fd, () => {
    check(libc.bindSocket(fd, address, address.length), 'bind', printable(path));
    return fd;
  });
}

/** Whether a process receives datagrams at a path: a socket file stays behind when its owner is killed. */
export function hasDatagramReceiver(path: string): boolean {
  const address = unixAddress(path);
  const fd = check(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  try {
    return libc.connect(fd, address, address.length) === 0;
  } finally {
    closeFd(fd);
  }
}

/** Sends datagrams to a path; never waits (sendto(2), MSG_DONTWAIT). */
export class DatagramSender {
  private readonly fd: number;
  private readonly address: Uint8Array;

  constructor(path: string) {
    this.address = unixAddress(path);
    this.fd = check(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  }

  /** False when the datagram cannot be sent now. */
  send(bytes: Uint8Array): boolean {
    const { fd, address } = this;
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    return libc.sendto(fd, bytes, bytes.length, flags, address, address.length) >= 0;
  }

  close(): void {
    closeFd(this.fd);
  }
}

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** Two connected stream sockets, non-blocking and close-on-exec. */
export function socketPair(): [number, number] {
  const fds = new Int32Array(2);
  const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  check(libc.socketpair(AF_UNIX, type, 0, fds), 'socketpair');
  const [one = -1, other = -1] = fds;
  keepUrgentData(one);
  keepUrgentData(other);
  return [one, other];
}

const ON = new Int32Array([1]);

/**
 * Keeps urgent data (MSG_OOB) where they are in the stream. Otherwise the kernel drops them while we read what is
 * next (`manage_oob`, net/unix/af_unix.c), and closes the descriptors that came with them: that may wait for as long
 * as their sender likes (`closeReceived`). A system that forbids the option (BPF) is no reason to refuse a client.
 */
function keepUrgentData(fd: number): void {
  libc.setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, ON, 4);
}

export interface TcpListenOptions {
  /** Name or literal address; '*' for every interface. */
  host: string;
  /** 0 lets the kernel choose. */
  port: number;
  family?: 'ipv4' | 'ipv6';
}

/** Listens on TCP; returns the descriptor and the port that it got. */
export function listenTcp(options: TcpListenOptions): { fd: number; port: number } {
  const { host, port, family } = options;
  const address = resolveTcp({ host: host === '*' ? null : host, port, family, passive: true });
  const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = check(libc.socket(familyOf(address), type, 0), 'socket');
  return closingOnFailure(fd, () => {
    check(libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ON, 4), 'setsockopt(SO_REUSEADDR)');
    check(libc.bindSocket(fd, address, address.length), 'bind', `${host} port ${port}`);
    check(libc.listen(fd, BACKLOG_DEFAULT), 'listen', `${host} port ${port}`);
    const { buffer } = socketName(fd);
    return { fd, port: new DataView(buffer).getUint16(2) }; // sin_port and sin6_port are at the same place
  });
}

/** Connects by TCP, without Nagle's delay. The result is non-blocking. */
export function connectTcp(host: string, port: number, family?: 'ipv4' | 'ipv6'): number {
  const address = resolveTcp({ host, port, family, passive: false });
  const fd = check(libc.socket(familyOf(address), SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  connectSocket(fd, address, `${host} port ${port}`);
  return closingOnFailure(fd, () => {
    setNoDelay(fd);
    return fd;
  });
}

/** Switches Nagle's algorithm off: a bus carries small messages that a receiver waits for. */
export function setNoDelay(fd: number): void {
  check(libc.setsockopt(fd, SOL_TCP, TCP_NODELAY, ON, 4), 'setsockopt(TCP_NODELAY)');
}

/** A new connection, non-blocking and close-on-exec; or -errno: EAGAIN, ECONNABORTED, EMFILE, … */
export function acceptConnection(listenFd: number): number {
  for (;;) {
    const fd = libc.accept4(listenFd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      keepUrgentData(fd);
      return fd;
    }
    const errno = libc.lastErrno();
    if (errno !== Errno.EINTR) return -errno;
  }
}

/**
 * Ends the connection in both directions; the descriptor stays open. One that has ended already is
 * no error.
 */
export function shutdownBoth(fd: number): void {
  if (libc.shutdown(fd, SHUT_RDWR) === 0) return;
  const errno = libc.lastErrno();
  if (errno !== Errno.ENOTCONN) throw new SystemError('shutdown', errno, `descriptor ${fd}`);
}

/**
 * The path a socket is bound to; '\0name' for an abstract one, '' for none; undefined for other
 * families.
 */
export function unixSocketPath(fd: number): string | undefined {
  const name = socketName(fd);
  if (name[0] !== AF_UNIX) return undefined;
  const abstract = name.length > 2 && name[2] === 0;
  const end = abstract ? -1 : name.indexOf(0, 2);
  return Buffer.from(name.slice(2, end === -1 ? name.length : end)).toString('utf8');
}

/** sa_family of a socket address. */
function familyOf({ buffer, byteOffset }: Uint8Array): number {
  return new DataView(buffer, byteOffset).getUint16(0, true);
}

function socketName(fd: number): Uint8Array {
  const name = new Uint8Array(128); // struct sockaddr_storage
  const length = new Uint32Array([name.length]);
  check(libc.getsockname(fd, name, length), 'getsockname', `descriptor ${fd}`);
  return name.slice(0, length[0]);
}

/** Takes the pending error (errno, 0 for none) of a socket: SO_ERROR. */
export function socketError(fd: number): number {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length);
  check(result, 'getsockopt(SO_ERROR)', `descriptor ${fd}`);
  return value[0] ?? 0;
}

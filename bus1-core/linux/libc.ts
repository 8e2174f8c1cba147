import { endianness } from 'node:os';
import koffi from 'koffi';

// The one file that declares C functions for the FFI library. Hot calls take addresses as numbers (`uintptr_t`): that
// is the cheapest way through koffi. Cold calls take typed arrays (`void *`), whose memory koffi
// passes on as it is.

type Out = Uint8Array | Int32Array | Uint32Array | null;

if (koffi.sizeof('void *') !== 8 || endianness() !== 'LE') {
  throw new Error(
    `bus1-core needs a 64-bit little-endian Linux; this is ${process.platform} ${process.arch}`,
  );
}

const library = koffi.load(null); // symbols of the process itself: works with glibc and musl alike

function optional(prototype: string): ReturnType<typeof library.func> | undefined {
  try {
    return library.func(prototype);
  } catch {
    return undefined;
  }
}

/** errno of the last failing call; only valid right after it. */
export const lastErrno: () => number = koffi.errno;

/** Arrays end with null. */
export const execve: (
  file: string,
  argv: readonly (string | null)[],
  environment: readonly (string | null)[],
) => number = library.func('int execve(const char *, const char **, const char **)');

export const waitpid: (pid: number, status: Out, options: number) => number = library.func(
  'int waitpid(int, void *, int)',
);

// posix_spawn(3); they return an error number.
export const spawnActionsInit: (actions: Out) => number = library.func(
  'int posix_spawn_file_actions_init(void *)',
);
export const spawnActionsDestroy: (actions: Out) => number = library.func(
  'int posix_spawn_file_actions_destroy(void *)',
);
export const spawnActionsAddDup2: (actions: Out, fd: number, target: number) => number =
  library.func('int posix_spawn_file_actions_adddup2(void *, int, int)');
export const posixSpawn: (
  pid: Out,
  path: string,
  actions: Out,
  attributes: Out,
  argv: readonly (string | null)[],
  environment: readonly (string | null)[],
) => number = library.func(
  'int posix_spawn(void *, const char *, void *, void *, const char **, const char **)',
);

export const strerror: (errno: number) => string = library.func('const char *strerror(int)');

// Hot calls.
export const recv: (fd: number, address: number, length: number, flags: number) => number =
  library.func('long recv(int, uintptr_t, size_t, int)');
export const send: (fd: number, address: number, length: number, flags: number) => number =
  library.func('long send(int, uintptr_t, size_t, int)');
export const recvmsg: (fd: number, header: number, flags: number) => number = library.func(
  'long recvmsg(int, uintptr_t, int)',
);
export const sendmsg: (fd: number, header: number, flags: number) => number = library.func(
  'long sendmsg(int, uintptr_t, int)',
);
export const epollWait: (
  fd: number,
  events: number,
  maxEvents: number,
  timeoutMs: number,
) => number = library.func('int epoll_wait(int, uintptr_t, int, int)');
export const read: (fd: number, address: number, length: number) => number = library.func(
  'long read(int, uintptr_t, size_t)',
);
export const write: (fd: number, address: number, length: number) => number = library.func(
  'long write(int, uintptr_t, size_t)',
);
/** syscall(2) with the arguments of futex(2). */
export const futex: (
  number: number,
  word: number,
  operation: number,
  value: number,
  timeout: number,
  word2: number,
  value3: number,
) => number = library.func(
  'long syscall(long, uintptr_t, int, uint32_t, uintptr_t, uintptr_t, uint32_t)',
);
/** syscall(2) with the arguments of futex_waitv. */
export const futexWaitv: (
  number: number,
  waiters: number,
  count: number,
  flags: number,
  timeout: number,
  clock: number,
) => number = library.func(
  'long syscall(long, uintptr_t, unsigned int, unsigned int, uintptr_t, int)',
);
/** syscall(2) with the arguments of sched_setattr(2) and sched_getattr(2). */
export const schedAttributes: (
  number: number,
  pid: number,
  attributes: Out,
  sizeOrFlags: number,
  flags: number,
) => number = library.func('long syscall(long, int, void *, unsigned int, unsigned int)');
export const accept4: (fd: number, address: number, length: number, flags: number) => number =
  library.func('int accept4(int, uintptr_t, uintptr_t, int)');

// Descriptors and events.
export const close: (fd: number) => number = library.func('int close(int)');
/** syscall(2) with the arguments of close_range(2). */
export const closeRange: (number: number, first: number, last: number, flags: number) => number =
  library.func('long syscall(long, unsigned int, unsigned int, unsigned int)');
export const fcntl: (fd: number, command: number, argument: number) => number = library.func(
  'int fcntl(int, int, long)',
);
export const poll: (fds: Out, count: number, timeoutMs: number) => number = library.func(
  'int poll(void *, ulong, int)',
);
export const epollCreate1: (flags: number) => number = library.func('int epoll_create1(int)');
export const epollCtl: (epoll: number, op: number, fd: number, event: number) => number =
  library.func('int epoll_ctl(int, int, int, uintptr_t)');
export const eventfd: (initial: number, flags: number) => number = library.func(
  'int eventfd(unsigned int, int)',
);

// Memory.
export const mmap: (
  hint: number,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => number = library.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, long)');
export const munmap: (address: number, length: number) => number = library.func(
  'int munmap(uintptr_t, size_t)',
);
export const getrandom: (buffer: Out, length: number, flags: number) => number = library.func(
  'long getrandom(void *, size_t, unsigned int)',
);
export const madvise: (address: number, length: number, advice: number) => number = library.func(
  'int madvise(uintptr_t, size_t, int)',
);
export const pageSize: () => number = library.func('int getpagesize()');
/** Undefined where the C library has none: musl. */
export const mallocTrim: ((pad: number) => number) | undefined =
  optional('int malloc_trim(size_t)');
/** Undefined where the C library has none: musl. */
export const mallopt: ((parameter: number, value: number) => number) | undefined =
  optional('int mallopt(int, int)');
export const memfdCreate: (name: string, flags: number) => number = library.func(
  'int memfd_create(const char *, unsigned int)',
);
export const ftruncate: (fd: number, length: number) => number = library.func(
  'int ftruncate(int, long)',
);

// Sockets.
export const socket: (domain: number, type: number, protocol: number) => number = library.func(
  'int socket(int, int, int)',
);
export const socketpair: (
  domain: number,
  type: number,
  protocol: number,
  fds: Int32Array,
) => number = library.func('int socketpair(int, int, int, void *)');
export const bindSocket: (fd: number, address: Uint8Array, length: number) => number = library.func(
  'int bind(int, void *, uint32_t)',
);
export const connect: (fd: number, address: Uint8Array, length: number) => number = library.func(
  'int connect(int, void *, uint32_t)',
);
export const listen: (fd: number, backlog: number) => number = library.func('int listen(int, int)');
export const shutdown: (fd: number, how: number) => number = library.func('int shutdown(int, int)');
export const getsockname: (fd: number, address: Uint8Array, length: Uint32Array) => number =
  library.func('int getsockname(int, void *, void *)');
export const getsockopt: (
  fd: number,
  level: number,
  option: number,
  value: Out,
  length: Uint32Array,
) => number = library.func('int getsockopt(int, int, int, void *, void *)');
export const setsockopt: (
  fd: number,
  level: number,
  option: number,
  value: Out,
  length: number,
) => number = library.func('int setsockopt(int, int, int, void *, uint32_t)');
export const sendto: (
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array,
  addressLength: number,
) => number = library.func('long sendto(int, void *, size_t, int, void *, uint32_t)');
export const getaddrinfo: (
  host: string | null,
  service: string,
  hints: Uint8Array,
  result: Uint8Array,
) => number = library.func('int getaddrinfo(const char *, const char *, void *, void *)');
export const freeaddrinfo: (list: number) => void = library.func('void freeaddrinfo(uintptr_t)');
export const gaiStrerror: (code: number) => string = library.func('const char *gai_strerror(int)');

// The process and its users.
export const getuid: () => number = library.func('uint32_t getuid()');
export const geteuid: () => number = library.func('uint32_t geteuid()');
export const setuid: (uid: number) => number = library.func('int setuid(uint32_t)');
export const setgid: (gid: number) => number = library.func('int setgid(uint32_t)');
export const setgroups: (count: number, gids: Uint32Array) => number = library.func(
  'int setgroups(size_t, void *)',
);
export const umask: (mask: number) => number = library.func('uint32_t umask(uint32_t)');
export const schedYield: () => number = library.func('int sched_yield()');
export const setsid: () => number = library.func('int setsid()');
export const prctl: (option: number, a: number, b: number, c: number, d: number) => number =
  library.func('int prctl(int, ulong, ulong, ulong, ulong)');
export const prctlText: (option: number, text: string, b: number, c: number, d: number) => number =
  library.func('int prctl(int, const char *, ulong, ulong, ulong)');
export const getrlimit: (resource: number, limit: Uint8Array) => number = library.func(
  'int getrlimit(int, void *)',
);
export const setrlimit: (resource: number, limit: Uint8Array) => number = library.func(
  'int setrlimit(int, void *)',
);
export const prlimit: (pid: number, resource: number, limit: Out, old: Out) => number =
  library.func('int prlimit(int, int, void *, void *)');
export const kill: (pid: number, signal: number) => number = library.func('int kill(int, int)');
export const getpwnamR: (
  name: string,
  entry: number,
  buffer: number,
  length: number,
  result: Uint8Array,
) => number = library.func('int getpwnam_r(const char *, uintptr_t, uintptr_t, size_t, void *)');
export const getpwuidR: (
  uid: number,
  entry: number,
  buffer: number,
  length: number,
  result: Uint8Array,
) => number = library.func('int getpwuid_r(uint32_t, uintptr_t, uintptr_t, size_t, void *)');
export const getgrnamR: (
  name: string,
  entry: number,
  buffer: number,
  length: number,
  result: Uint8Array,
) => number = library.func('int getgrnam_r(const char *, uintptr_t, uintptr_t, size_t, void *)');
export const getgrgidR: (
  gid: number,
  entry: number,
  buffer: number,
  length: number,
  result: Uint8Array,
) => number = library.func('int getgrgid_r(uint32_t, uintptr_t, uintptr_t, size_t, void *)');
export const getgrouplist: (
  user: string,
  gid: number,
  gids: Uint32Array,
  count: Int32Array,
) => number = library.func('int getgrouplist(const char *, uint32_t, void *, void *)');

let views = 0;

/**
 * Makes the memory at `address` visible to JavaScript without a copy; about 2 us, so once for a
 * mapping.
 */
export function viewMemory(address: number, lengthBytes: number): ArrayBuffer {
  views++;
  return koffi.view(BigInt(address), lengthBytes);
}

/**
 * How many views this thread has made. For each that was collected Node keeps some 200 bytes, until its event loop has
 * a turn: it calls back the code that has made a view (node_buffer.cc, CallbackInfo::OnBackingStoreFree).
 */
export function viewsMade(): number {
  return views;
}

/** Address of the memory behind `bytes`, which must live outside the V8 heap (65 bytes or more). */
export function memoryAddress(bytes: Uint8Array): number {
  return Number(koffi.address(bytes));
}

/** The NUL-terminated string at `address`. */
export function readString(address: number): string {
  return koffi.decode.string(BigInt(address));
}

import { Errno, SystemError } from './errno.js';
import * as libc from './libc.js';
import { allocateBytes } from './native-memory.js';

// struct passwd: name, passwd, uid, gid, gecos, dir, shell. struct group: name, passwd, gid, mem.
// (glibc and musl)
const ENTRY_BYTES = 64;
const NAME_OFFSET = 0;
const ID_OFFSET = 16;
const PASSWD_GID_OFFSET = 20;
const PASSWD_DIR_OFFSET = 32;

const BUFFER_BYTES = 4096;
const BUFFER_MAX_BYTES = 1 << 24; // a group of a directory service can list a great many members
const GROUPS_GUESS = 64;
const ID_MAX = 0xffff_fffe; // (uid_t) -1 means "no change": chown(2)

export interface User {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

export interface Group {
  name: string;
  gid: number;
}

type Lookup = (entry: number, buffer: number, length: number, result: Uint8Array) => number;

/** A user by name, by ID, or by the digits of an ID if no user has them as a name; undefined when there is none. */
export function lookupUser(nameOrUid: string | number): User | undefined {
  return byNameOrId(nameOrUid, userByName, userById);
}

/** Like the function above, for a group. */
export function lookupGroup(nameOrGid: string | number): Group | undefined {
  return byNameOrId(nameOrGid, groupByName, groupById);
}

/** All groups of a user, its own one included, ascending. */
export function groupsOf(user: User): number[] {
  let capacity = GROUPS_GUESS;
  for (;;) {
    const gids = new Uint32Array(capacity);
    const count = new Int32Array([capacity]);
    const found = libc.getgrouplist(user.name, user.gid, gids, count);
    if (found >= 0) return [...new Set(gids.slice(0, count[0]))].toSorted((a, b) => a - b);
    capacity = Math.max(capacity * 2, count[0] ?? 0); // musl leaves the needed count out
  }
}

function byNameOrId<T>(
  nameOrId: string | number,
  byName: (name: string) => T | undefined,
  byId: (id: number) => T | undefined,
): T | undefined {
  if (typeof nameOrId === 'number') return byId(nameOrId);
  const named = byName(nameOrId);
  if (named !== undefined || !/^\d{1,10}$/.test(nameOrId)) return named;
  const id = Number(nameOrId);
  return id <= ID_MAX ? byId(id) : undefined;
}

function userByName(name: string): User | undefined {
  return readUser('getpwnam_r', (e, b, l, r) => libc.getpwnamR(name, e, b, l, r));
}

function userById(uid: number): User | undefined {
  return readUser('getpwuid_r', (e, b, l, r) => libc.getpwuidR(uid, e, b, l, r));
}

function groupByName(name: string): Group | undefined {
  return readGroup('getgrnam_r', (e, b, l, r) => libc.getgrnamR(name, e, b, l, r));
}

function groupById(gid: number): Group | undefined {
  return readGroup('getgrgid_r', (e, b, l, r) => libc.getgrgidR(gid, e, b, l, r));
}

function readUser(call: string, lookup: Lookup): User | undefined {
  return readEntry(call, lookup, (entry) => ({
    name: readString(entry, NAME_OFFSET),
    uid: entry.getUint32(ID_OFFSET, true),
    gid: entry.getUint32(PASSWD_GID_OFFSET, true),
    home: readString(entry, PASSWD_DIR_OFFSET),
  }));
}

function readGroup(call: string, lookup: Lookup): Group | undefined {
  return readEntry(call, lookup, (entry) => ({
    name: readString(entry, NAME_OFFSET),
    gid: entry.getUint32(ID_OFFSET, true),
  }));
}

function readString(entry: DataView, offset: number): string {
  return libc.readString(Number(entry.getBigUint64(offset, true)));
}

/**
 * Runs a getXXX_r call with a buffer that grows while it returns ERANGE. The strings point into that
 * buffer.
 */
function readEntry<T>(call: string, lookup: Lookup, decode: (entry: DataView) => T): T | undefined {
  const entry = allocateBytes(ENTRY_BYTES);
  const result = new Uint8Array(8);
  for (let length = BUFFER_BYTES; length <= BUFFER_MAX_BYTES; length *= 4) {
    const buffer = allocateBytes(length);
    const errno = lookup(entry.address, buffer.address, length, result);
    if (errno === Errno.ERANGE || errno === Errno.EINTR) continue;
    if (result.every((byte) => byte === 0)) return failureOrNone(call, errno);
    const found = decode(new DataView(entry.bytes.buffer));
    buffer.bytes[0] = 0; // keeps the buffer alive until its strings have been read
    return found;
  }
  throw new SystemError(call, Errno.ERANGE);
}

/** getpwnam_r(3) lists these errors as ways in which databases report "no such entry". */
function failureOrNone(call: string, errno: number): undefined {
  const none: readonly number[] = [0, Errno.ENOENT, Errno.ESRCH, Errno.EBADF, Errno.EPERM];
  if (!none.includes(errno)) throw new SystemError(call, errno);
  return undefined;
}

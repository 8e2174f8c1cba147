/**
 * The cookies of DBUS_COOKIE_SHA1 in `~/.dbus-keyrings`: D-Bus specification, "DBUS_COOKIE_SHA1".
 * One file for each context; its lines are id, seconds since 1970, secret.
 */

import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { getuid, lookupUser } from '#core/linux/index.js';
import type { Cookie, CookieIssuer, CookieReader } from '#bridge/sasl/cookie.js';
import { isCookieContext } from '#bridge/sasl/cookie.js';
import { makeDirectory } from './make-directory.js';

/** A cookie is handed out for five minutes, and valid for two more so that clients can answer. */
const ISSUE_SECONDS = 5 * 60;
const EXPIRE_SECONDS = ISSUE_SECONDS + 2 * 60;
/** Cookies from further in the future are dropped: the clock has been set back. */
const FUTURE_SECONDS = 5 * 60;
/** Limits of libdbus, which reads the same files. */
const COOKIES_MAX = 256;
const SECRET_BYTES = 24;
/** libdbus takes a lock file for abandoned after waiting 32 times 250 ms for it. */
const LOCK_STALE_SECONDS = 8;
/** The event loop is blocked while it waits for the lock, so it gives up soon. */
const LOCK_ATTEMPTS = 10;
const LOCK_PAUSE_MS = 10;

/** Where the cookies of DBUS_COOKIE_SHA1 are, and which user they prove. */
export interface KeyringLocation {
  readonly directory: string;
  readonly uid: number;
  readonly userName: string;
}

/**
 * The keyring of the user that runs this process: D-Bus specification, "DBUS_COOKIE_SHA1". Like
 * libdbus it uses HOME, unless `hasChangedUser`. Undefined for a user without an entry.
 */
export function ownKeyring(hasChangedUser: boolean): KeyringLocation | undefined {
  const user = lookupUser(getuid());
  if (user === undefined) return undefined;
  const home = (hasChangedUser ? undefined : process.env['HOME']) || user.home;
  return { directory: join(home, '.dbus-keyrings'), uid: user.uid, userName: user.name };
}

export interface CookieKeyringOptions {
  /** Usually `.dbus-keyrings` in the user's home directory; created when first needed. */
  readonly directory: string;
  /** The user that the cookies prove: the one that runs this process. */
  readonly uid: number;
  readonly userName?: string;
  readonly context?: string;
  readonly randomBytes: (lengthBytes: number) => Uint8Array;
  readonly nowSeconds: () => number;
}

export type CookieKeyringErrorCode = 'keyring-not-private' | 'keyring-locked' | 'keyring-io';

export class CookieKeyringError extends Error {
  readonly code: CookieKeyringErrorCode;

  constructor(code: CookieKeyringErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'CookieKeyringError';
    this.code = code;
  }
}

interface StoredCookie extends Cookie {
  readonly createdSeconds: number;
}

export class CookieKeyring implements CookieIssuer, CookieReader {
  readonly context: string;
  readonly #options: CookieKeyringOptions;

  constructor(options: CookieKeyringOptions) {
    this.context = options.context ?? 'org_freedesktop_general';
    if (!isCookieContext(this.context)) {
      throw new RangeError(`"${this.context}" is not a valid cookie context`);
    }
    this.#options = options;
  }

  ownerUid(user: string): number | undefined {
    const { uid, userName } = this.#options;
    return user === String(uid) || (userName !== undefined && user === userName) ? uid : undefined;
  }

  /** The newest cookie that may still be handed out, or a fresh one. */
  issue(): Cookie | CookieKeyringError {
    try {
      this.#checkDirectory();
      const recent = this.#read(this.context).findLast((cookie) => this.#isRecent(cookie));
      return recent ?? this.#addCookie();
    } catch (error) {
      if (error instanceof CookieKeyringError) return error;
      const { directory } = this.#options;
      return new CookieKeyringError('keyring-io', `${directory}: ${String(error)}`, error);
    }
  }

  find(context: string, id: number): string | undefined {
    if (!isCookieContext(context)) return undefined;
    try {
      this.#checkDirectory();
    } catch {
      return undefined;
    }
    return this.#read(context).find((cookie) => cookie.id === id)?.secret;
  }

  #isRecent(cookie: StoredCookie): boolean {
    return cookie.createdSeconds > this.#options.nowSeconds() - ISSUE_SECONDS;
  }

  #checkDirectory(): void {
    const { directory, uid } = this.#options;
    makeDirectory(directory, 0o700); // the home must exist, as for libdbus
    const stat = statSync(directory);
    if (stat.uid === uid && (stat.mode & 0o077) === 0) return;
    throw new CookieKeyringError(
      'keyring-not-private',
      `${directory} must belong to uid ${uid} with mode 0700; chown and chmod it`,
    );
  }

  /** Cookies of the file that have not expired, oldest first; none if it cannot be read. */
  #read(context: string): StoredCookie[] {
    let text: string;
    try {
      text = readFileSync(join(this.#options.directory, context), 'latin1');
    } catch {
      return [];
    }
    const now = this.#options.nowSeconds();
    return text
      .split('\n')
      .map((line) => parseCookie(line))
      .filter((cookie): cookie is StoredCookie => cookie !== undefined)
      .filter(({ createdSeconds: created }) => {
        return created >= now - EXPIRE_SECONDS && created <= now + FUTURE_SECONDS;
      })
      .slice(0, COOKIES_MAX);
  }

  #addCookie(): Cookie {
    const file = join(this.#options.directory, this.context);
    const lock = `${file}.lock`;
    this.#lock(lock);
    try {
      const kept = this.#read(this.context).slice(1 - COOKIES_MAX);
      const added = this.#createCookie(kept);
      this.#write(file, [...kept, added]);
      return added;
    } finally {
      unlinkSync(lock);
    }
  }

  #createCookie(others: readonly StoredCookie[]): StoredCookie {
    const { randomBytes, nowSeconds } = this.#options;
    let id = 0;
    do {
      id = new DataView(Uint8Array.from(randomBytes(4)).buffer).getUint32(0) & 0x7fffffff;
    } while (others.some((cookie) => cookie.id === id));
    const secret = Buffer.from(randomBytes(SECRET_BYTES)).toString('hex');
    return { id, secret, createdSeconds: Math.floor(nowSeconds()) };
  }

  /** Readers see the old file or the new one, never half of it. */
  #write(file: string, cookies: readonly StoredCookie[]): void {
    const suffix = Buffer.from(this.#options.randomBytes(8)).toString('hex');
    const temporary = `${file}.${suffix}`;
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      for (const { id, createdSeconds, secret } of cookies) {
        writeSync(fd, `${id} ${createdSeconds} ${secret}\n`);
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  }

  #lock(lock: string): void {
    for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
      if (tryCreate(lock)) return;
      if (this.#isAbandoned(lock)) unlinkSync(lock);
      else sleep(LOCK_PAUSE_MS);
    }
    throw new CookieKeyringError('keyring-locked', `${lock} is held by another process`);
  }

  #isAbandoned(lock: string): boolean {
    const stat = statSync(lock, { throwIfNoEntry: false });
    return (
      stat !== undefined && stat.mtimeMs / 1000 < this.#options.nowSeconds() - LOCK_STALE_SECONDS
    );
  }
}

function parseCookie(line: string): StoredCookie | undefined {
  const match = /^([0-9]{1,10})[ \t]+([0-9]{1,15})[ \t]+((?:[0-9a-fA-F]{2})+)$/u.exec(line);
  const [, number, created, secret] = match ?? [];
  const id = Number(number);
  if (secret === undefined || id > 0x7fffffff) return undefined;
  return { id, createdSeconds: Number(created), secret: secret.toLowerCase() };
}

/** False if the file exists: O_EXCL is what makes it a lock. */
function tryCreate(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch (error) {
    if (isPresent(error)) return false;
    throw error;
  }
}

function isPresent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}

function sleep(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

/**
 * DBUS_COOKIE_SHA1: both ends prove that they can read the same file in the user's home directory.
 * D-Bus specification, "DBUS_COOKIE_SHA1".
 */

/** Loaded on first use of this mechanism: at the start of a bus it would cost 5 ms. */
const crypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto');

/** RFC 2831 suggests at least 64 bits of entropy for a challenge; libdbus takes 128. */
export const CHALLENGE_BYTES = 16;

export interface Cookie {
  /** Not negative, below 2^31. */
  readonly id: number;
  /** Hexadecimal digits, as in the file. */
  readonly secret: string;
}

/** The server's side of the cookie file. */
export interface CookieIssuer {
  readonly context: string;
  /** Uid of the owner of the cookies if `user` (a name or a decimal uid) means this owner. */
  ownerUid(user: string): number | undefined;
  /** A cookie that is young enough for a client to answer; an error says why there is none. */
  issue(): Cookie | Error;
}

/** The client's side of the cookie file. */
export interface CookieReader {
  /** The secret of a cookie, if it exists in this context and has not expired. */
  find(context: string, id: number): string | undefined;
}

/** The answer of a client that knows the secret, in hexadecimal digits. */
export function hashCookie(
  serverChallenge: string,
  clientChallenge: string,
  secret: string,
): string {
  const text = `${serverChallenge}:${clientChallenge}:${secret}`;
  return crypto().createHash('sha1').update(text).digest('hex');
}

/** Compares in a time that does not reveal how much of a guess is right. */
export function isSameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && crypto().timingSafeEqual(left, right);
}

/** A context is a file name and one word of the protocol: it may contain no dots, slashes, backslashes or blanks. */
export function isCookieContext(text: string): boolean {
  return /^[!-~]+$/u.test(text) && !/[./\\]/u.test(text);
}

import type { Cookie, CookieIssuer, CookieReader } from '#bridge/sasl/cookie.js';
import type { SaslLinePeer } from '#bridge/sasl/line-peer.js';

export const GUID = '0123456789abcdef0123456789abcdef';
export const OTHER_GUID = 'fedcba9876543210fedcba9876543210';

/** Random bytes that are the same each time: 00 01 02 ... */
export function countingBytes(lengthBytes: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, index) => index);
}

/** {@link countingBytes} as they travel. */
export const CHALLENGE = '000102030405060708090a0b0c0d0e0f';

export const COOKIE: Cookie = { id: 42, secret: 'c0ffee' };

/** One cookie in memory, which proves uid 1000, called "alice". */
export const COOKIES: CookieIssuer & CookieReader = {
  context: 'org_freedesktop_general',
  ownerUid: (user) => (user === '1000' || user === 'alice' ? 1000 : undefined),
  issue: () => COOKIE,
  find: (context, id) => {
    return context === COOKIES.context && id === COOKIE.id ? COOKIE.secret : undefined;
  },
};

export function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

export function feedText(peer: SaslLinePeer, text: string): number {
  const bytes = Buffer.from(text, 'latin1');
  return peer.feed(bytes, 0, bytes.length);
}

export function takeText(peer: SaslLinePeer): string {
  return Buffer.from(peer.takeOutput()).toString('latin1');
}

/**
 * Plays a conversation with `peer`. Each line of the script begins with ">" (said to the peer) or
 * "<" (expected of it). Returns the script as it really went.
 */
export function play(peer: SaslLinePeer, script: string): string {
  const lines = script
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const went: string[] = [];
  const answers = (): string[] =>
    takeText(peer)
      .split('\r\n')
      .slice(0, -1)
      .map((line) => `< ${line.replace('\0', '')}`);
  went.push(...answers());
  for (const line of lines.filter((one) => one.startsWith('>'))) {
    feedText(peer, `${line.slice(2)}\r\n`);
    went.push(line, ...answers());
  }
  return went.join('\n');
}

/** A script as {@link play} returns it. */
export function tidy(script: string): string {
  return script
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}

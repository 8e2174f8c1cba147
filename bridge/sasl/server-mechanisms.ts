/** The server's side of each mechanism: data in, a verdict or a challenge out. */

import type { CookieIssuer } from './cookie.js';
import { CHALLENGE_BYTES, hashCookie, isSameHash } from './cookie.js';
import { encodeHex, type MechanismName, type RandomBytes } from './mechanism.js';

/** The identity that the client has proved. */
export interface SaslIdentity {
  readonly mechanism: MechanismName;
  /** `undefined`: anonymous. */
  readonly uid: number | undefined;
}

export type ServerStep =
  | { readonly kind: 'challenge'; readonly data: string }
  | { readonly kind: 'accepted'; readonly identity: SaslIdentity }
  /** `reason` is for the log: the client gets only REJECTED. */
  | { readonly kind: 'rejected'; readonly reason: string };

export interface ServerMechanism {
  /** Called with the initial response (empty if there is none), then with each DATA. */
  respond(data: Uint8Array): ServerStep;
}

function rejected(reason: string): ServerStep {
  return { kind: 'rejected', reason };
}

/** The kernel knows the uid at the other end of the socket; the client can only confirm it. */
export class ExternalServer implements ServerMechanism {
  readonly #peerUid: number | undefined;
  readonly #mapsTo: (claimedUid: number) => boolean;
  #hasAsked = false;

  constructor(peerUid: number | undefined, mapsTo: (claimedUid: number) => boolean) {
    this.#peerUid = peerUid;
    this.#mapsTo = mapsTo;
  }

  respond(data: Uint8Array): ServerStep {
    const uid = this.#peerUid;
    if (uid === undefined) return rejected('EXTERNAL: the socket has no credentials');
    if (data.length === 0 && !this.#hasAsked) {
      this.#hasAsked = true;
      return { kind: 'challenge', data: '' };
    }
    // An empty answer stands for the socket's uid. A client in a user namespace can send nothing
    // else, because it does not know its uid outside.
    if (data.length > 0) {
      const claimed = parseUid(Buffer.from(data).toString('latin1'));
      if (claimed === undefined) return rejected('EXTERNAL: the identity is not a decimal uid');
      if (claimed !== uid && !this.#mapsTo(claimed)) {
        return rejected(`EXTERNAL: the client says uid ${claimed}, its socket says ${uid}`);
      }
    }
    return { kind: 'accepted', identity: { mechanism: 'EXTERNAL', uid } };
  }
}

/** Accepts any client, without an identity; the data is free text and must be UTF-8. */
export class AnonymousServer implements ServerMechanism {
  respond(data: Uint8Array): ServerStep {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(data);
    } catch {
      return rejected('ANONYMOUS: the trace is not UTF-8');
    }
    return { kind: 'accepted', identity: { mechanism: 'ANONYMOUS', uid: undefined } };
  }
}

/** Cookies prove only the user who runs the server: no other user's home directory is trusted. */
export class CookieServer implements ServerMechanism {
  readonly #cookies: CookieIssuer;
  readonly #randomBytes: RandomBytes;
  #pending: { uid: number; challenge: string; secret: string } | undefined;

  constructor(cookies: CookieIssuer, randomBytes: RandomBytes) {
    this.#cookies = cookies;
    this.#randomBytes = randomBytes;
  }

  respond(data: Uint8Array): ServerStep {
    const text = Buffer.from(data).toString('latin1');
    return this.#pending === undefined ? this.#challenge(text) : this.#verify(text, this.#pending);
  }

  #challenge(user: string): ServerStep {
    const uid = this.#cookies.ownerUid(user);
    if (uid === undefined) return rejected(`DBUS_COOKIE_SHA1: no cookies are kept for "${user}"`);
    const cookie = this.#cookies.issue();
    if (cookie instanceof Error) return rejected(`DBUS_COOKIE_SHA1: ${cookie.message}`);
    const challenge = encodeHex(this.#randomBytes(CHALLENGE_BYTES));
    this.#pending = { uid, challenge, secret: cookie.secret };
    return { kind: 'challenge', data: `${this.#cookies.context} ${cookie.id} ${challenge}` };
  }

  #verify(
    text: string,
    { uid, challenge, secret }: { uid: number; challenge: string; secret: string },
  ): ServerStep {
    const [, clientChallenge, hash] = /^([^ \t]+)[ \t]+(.+)$/su.exec(text) ?? [];
    if (clientChallenge === undefined || hash === undefined) {
      return rejected('DBUS_COOKIE_SHA1: the answer is not a challenge and a hash');
    }
    if (!isSameHash(hash, hashCookie(challenge, clientChallenge, secret))) {
      return rejected('DBUS_COOKIE_SHA1: the client does not know the cookie');
    }
    return { kind: 'accepted', identity: { mechanism: 'DBUS_COOKIE_SHA1', uid } };
  }
}

/**
 * A uid as the reference daemon reads it, with strtol(3) in base 0: blanks and a sign may come before it, `0x` makes it
 * hexadecimal and `0` octal. 2^32-1 means "no uid" to the kernel.
 */
function parseUid(text: string): number | undefined {
  const [, sign, number] =
    /^[\t-\r ]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/u.exec(text) ?? [];
  if (number === undefined) return undefined;
  const isOctal = /^0[0-7]/u.test(number);
  const uid = Number(isOctal ? `0o${number}` : number);
  return uid < 0xffff_ffff && (sign !== '-' || uid === 0) ? uid : undefined;
}

/** The client's side of each mechanism. */

import type { CookieReader } from './cookie.js';
import { CHALLENGE_BYTES, hashCookie, isCookieContext } from './cookie.js';
import { encodeHex, type RandomBytes } from './mechanism.js';

/** Data to send back, or the text of an ERROR to the server. */
export type ClientStep = { readonly data: string } | { readonly error: string };

export interface ClientMechanism {
  /** Sent along with AUTH; `undefined` to wait for the server's challenge. */
  readonly initialResponse: string | undefined;
  respond(data: Uint8Array): ClientStep;
}

export class ExternalClient implements ClientMechanism {
  readonly initialResponse: string | undefined;

  /** Without a uid the server takes the socket's: a client in a user namespace does not know its uid outside. */
  constructor(uid: number | undefined) {
    this.initialResponse = uid?.toString();
  }

  respond(): ClientStep {
    return { data: this.initialResponse ?? '' };
  }
}

export class AnonymousClient implements ClientMechanism {
  readonly initialResponse = 'bus1-bridge';

  respond(): ClientStep {
    return { data: '' };
  }
}

export class CookieClient implements ClientMechanism {
  readonly initialResponse: string;
  readonly #cookies: CookieReader;
  readonly #randomBytes: RandomBytes;

  /** `user`: a name or a decimal uid. */
  constructor(user: string, cookies: CookieReader, randomBytes: RandomBytes) {
    this.initialResponse = user;
    this.#cookies = cookies;
    this.#randomBytes = randomBytes;
  }

  respond(data: Uint8Array): ClientStep {
    const words = Buffer.from(data)
      .toString('latin1')
      .split(/[ \t]+/u);
    const [context = '', id = '', serverChallenge = ''] = words;
    if (words.length !== 3 || serverChallenge === '' || !/^[0-9]{1,10}$/u.test(id)) {
      return { error: 'The challenge is not a context, a cookie id and a challenge' };
    }
    if (!isCookieContext(context)) return { error: 'The cookie context is invalid' };
    const secret = this.#cookies.find(context, Number(id));
    if (secret === undefined) return { error: `There is no cookie ${id} in ${context}` };
    const clientChallenge = encodeHex(this.#randomBytes(CHALLENGE_BYTES));
    const hash = hashCookie(serverChallenge, clientChallenge, secret);
    return { data: `${clientChallenge} ${hash}` };
  }
}

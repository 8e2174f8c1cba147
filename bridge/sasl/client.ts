import type { ClientMechanism } from './client-mechanisms.js';
import { AnonymousClient, CookieClient, ExternalClient } from './client-mechanisms.js';
import type { CookieReader } from './cookie.js';
import { decodeHex, encodeHex, parseCommand } from './mechanism.js';
import { SaslLinePeer } from './line-peer.js';
import type { MechanismName, RandomBytes } from './mechanism.js';

export interface SaslClientOptions {
  /** Mechanisms to try, in this order. Only EXTERNAL if absent; DBUS_COOKIE_SHA1 needs `cookies`. */
  readonly mechanisms?: readonly MechanismName[];
  /** The uid to claim; with `undefined` the server takes the socket's. */
  readonly uid: number | undefined;
  readonly wantsUnixFds: boolean;
  readonly randomBytes: RandomBytes;
  readonly cookies?: CookieReader;
  /** Guid that the address promises; the client refuses a server with another one. */
  readonly expectedGuid?: string;
}

type ClientState = 'waiting-for-answer' | 'waiting-for-rejected' | 'waiting-for-agree';

/**
 * The client's side of the authentication: D-Bus specification, "Authentication Protocol".
 * The first output is available before the first `feed`.
 */
export class SaslClient extends SaslLinePeer {
  readonly #options: SaslClientOptions;
  #untried: MechanismName[];
  #state: ClientState = 'waiting-for-answer';
  #mechanism: ClientMechanism | undefined;
  #mechanismName: MechanismName | undefined;
  #guid: string | undefined;
  #hasUnixFds = false;

  constructor(options: SaslClientOptions) {
    super(false);
    const { mechanisms = ['EXTERNAL'], cookies } = options;
    this.#options = options;
    this.#untried = mechanisms.filter((name) => {
      return name !== 'DBUS_COOKIE_SHA1' || cookies !== undefined;
    });
    const first = this.#tryNext('the client has no mechanism to try');
    if (first !== undefined) this.send(`\0${first}\r\n`);
  }

  /** The server's guid, once it has accepted the client. */
  get guid(): string | undefined {
    return this.#guid;
  }

  /** The mechanism that is being tried or has succeeded. */
  get mechanism(): MechanismName | undefined {
    return this.#mechanismName;
  }

  /** True if file descriptors may be sent in both directions. */
  get hasUnixFds(): boolean {
    return this.#hasUnixFds;
  }

  override dispatch(line: string): string | undefined {
    const { name, args } = parseCommand(line);
    if (this.#state === 'waiting-for-answer') return this.#answer(name, args);
    if (this.#state === 'waiting-for-agree') return this.#agreed(name);
    if (name === 'REJECTED') return this.#rejected(args);
    return this.fail('protocol-violation', `the server answered CANCEL with "${line}"`);
  }

  #answer(name: string, args: string): string | undefined {
    switch (name) {
      case 'OK':
        return this.#accepted(args);
      case 'DATA':
        return this.#data(args);
      case 'REJECTED':
        return this.#rejected(args);
      case 'ERROR':
        this.#state = 'waiting-for-rejected';
        return 'CANCEL';
      default:
        return 'ERROR "Unknown command"';
    }
  }

  #data(args: string): string {
    const data = decodeHex(args);
    if (data === undefined) return 'ERROR "Invalid hex encoding"';
    const step = this.#mechanism?.respond(data) ?? { error: 'No mechanism is being tried' };
    if ('error' in step) return `ERROR "${step.error}"`;
    return step.data === '' ? 'DATA' : `DATA ${encodeHex(step.data)}`;
  }

  #accepted(guid: string): string | undefined {
    const { expectedGuid, wantsUnixFds } = this.#options;
    if (!/^[0-9a-fA-F]{32}$/u.test(guid)) {
      return this.fail('protocol-violation', `the server's guid "${guid}" is not 32 hex digits`);
    }
    if (expectedGuid !== undefined && expectedGuid.toLowerCase() !== guid.toLowerCase()) {
      const message = `the address names the server ${expectedGuid}, but this is ${guid}`;
      return this.fail('guid-mismatch', message);
    }
    this.#guid = guid;
    if (!wantsUnixFds) return this.#begin();
    this.#state = 'waiting-for-agree';
    return 'NEGOTIATE_UNIX_FD';
  }

  #agreed(name: string): string {
    if (name !== 'AGREE_UNIX_FD' && name !== 'ERROR') return 'ERROR "Unknown command"';
    this.#hasUnixFds = name === 'AGREE_UNIX_FD';
    return this.#begin();
  }

  #begin(): string {
    this.finish();
    return 'BEGIN';
  }

  #rejected(offered: string): string | undefined {
    const names = new Set(offered.split(/[ \t]+/u));
    this.#untried = this.#untried.filter((name) => names.has(name));
    return this.#tryNext(
      `the server refused ${this.#mechanismName} and offers: ${offered || 'nothing'}`,
    );
  }

  #tryNext(problem: string): string | undefined {
    const name = this.#untried.shift();
    if (name === undefined) return this.fail('rejected', problem);
    this.#state = 'waiting-for-answer';
    this.#mechanismName = name;
    this.#mechanism = this.#start(name);
    const { initialResponse } = this.#mechanism;
    return initialResponse === undefined
      ? `AUTH ${name}`
      : `AUTH ${name} ${encodeHex(initialResponse)}`;
  }

  #start(name: MechanismName): ClientMechanism {
    const { uid, cookies, randomBytes } = this.#options;
    if (name === 'EXTERNAL') return new ExternalClient(uid);
    if (name === 'ANONYMOUS' || cookies === undefined) return new AnonymousClient();
    return new CookieClient(uid?.toString() ?? '', cookies, randomBytes);
  }
}

import type { CookieIssuer } from './cookie.js';
import { decodeHex, encodeHex, MECHANISMS, isMechanismName, parseCommand } from './mechanism.js';
import { SaslLinePeer } from './line-peer.js';
import type { MechanismName, RandomBytes } from './mechanism.js';
import type { SaslIdentity, ServerMechanism, ServerStep } from './server-mechanisms.js';
import { AnonymousServer, CookieServer, ExternalServer } from './server-mechanisms.js';

/** dbus-daemon 1.14 disconnects with the sixth REJECTED. */
const REJECTIONS_MAX = 6;

export interface SaslServerOptions {
  /** Guid of the listening address, 32 hexadecimal digits. */
  readonly guid: string;
  /** Mechanisms on offer; DBUS_COOKIE_SHA1 needs `cookies`. Only EXTERNAL if absent. */
  readonly mechanisms?: readonly MechanismName[];
  /** The kernel's uid for the socket's other end; `undefined` if it is not a Unix socket. */
  readonly peerUid: number | undefined;
  readonly canPassFds: boolean;
  readonly randomBytes: RandomBytes;
  readonly cookies?: CookieIssuer | undefined;
  /**
   * Whether a claimed uid is the socket's user as seen from inside a user namespace. The client gets
   * the socket's uid in any case. If absent, only the socket's uid is accepted.
   */
  readonly mapsTo?: (claimedUid: number) => boolean;
}

type ServerState = 'waiting-for-auth' | 'waiting-for-data' | 'waiting-for-begin';

/**
 * The bus's side of the authentication: D-Bus specification, "Authentication Protocol", with the
 * answers of dbus-daemon 1.14.
 */
export class SaslServer extends SaslLinePeer {
  readonly #options: SaslServerOptions;
  #state: ServerState = 'waiting-for-auth';
  #mechanism: ServerMechanism | undefined;
  #identity: SaslIdentity | undefined;
  #hasUnixFds = false;
  #rejections = 0;
  #lastRejection: string | undefined;

  constructor(options: SaslServerOptions) {
    super(true);
    this.#options = options;
  }

  /** The client's identity, once `isDone`. */
  get identity(): SaslIdentity | undefined {
    return this.isDone ? this.#identity : undefined;
  }

  /** True if file descriptors may be sent in both directions. */
  get hasUnixFds(): boolean {
    return this.#hasUnixFds;
  }

  /** Why the client was last rejected, for the log. */
  get lastRejection(): string | undefined {
    return this.#lastRejection;
  }

  override dispatch(line: string): string | undefined {
    const { name, args } = parseCommand(line);
    switch (name) {
      case 'AUTH':
        return this.#auth(args);
      case 'DATA':
        return this.#data(args);
      case 'BEGIN':
        return this.#begin();
      case 'CANCEL':
      case 'ERROR':
        return this.#cancel(name);
      case 'NEGOTIATE_UNIX_FD':
        return this.#negotiateUnixFd();
      default:
        return error('Unknown command');
    }
  }

  #auth(args: string): string | undefined {
    if (this.#state === 'waiting-for-data') {
      return error('Sent AUTH while another AUTH in progress');
    }
    if (this.#state === 'waiting-for-begin') return error('Sent AUTH while expecting BEGIN');
    const { name, args: response } = parseCommand(args);
    if (name === '') return this.#reject('the client asked for the list of mechanisms');
    if (!isMechanismName(name) || !this.#offers(name)) {
      return this.#reject(`the mechanism ${name} is not on offer`);
    }
    const data = decodeHex(response);
    if (data === undefined) return error('Invalid hex encoding');
    this.#mechanism = this.#start(name);
    return this.#take(this.#mechanism.respond(data));
  }

  #data(args: string): string | undefined {
    if (this.#state === 'waiting-for-begin') return error('Sent DATA while expecting BEGIN');
    if (this.#state === 'waiting-for-auth' || this.#mechanism === undefined) {
      return error('Not currently in an auth conversation');
    }
    const data = decodeHex(args);
    if (data === undefined) return error('Invalid hex encoding');
    return this.#take(this.#mechanism.respond(data));
  }

  #begin(): undefined {
    if (this.#state === 'waiting-for-begin') return this.finish();
    return this.fail('protocol-violation', 'BEGIN without a successful AUTH');
  }

  #cancel(name: 'CANCEL' | 'ERROR'): string | undefined {
    if (this.#state === 'waiting-for-auth' && name === 'CANCEL') {
      return error('Not currently in an auth conversation');
    }
    return this.#reject(`the client sent ${name}`);
  }

  #negotiateUnixFd(): string {
    if (this.#state !== 'waiting-for-begin') return error('Need to authenticate first');
    if (!this.#options.canPassFds) {
      return error('Unix FD passing not supported, not authenticated or otherwise not possible');
    }
    this.#hasUnixFds = true;
    return 'AGREE_UNIX_FD';
  }

  #offers(name: MechanismName): boolean {
    const { mechanisms = EXTERNAL_ONLY, cookies } = this.#options;
    return mechanisms.includes(name) && (name !== 'DBUS_COOKIE_SHA1' || cookies !== undefined);
  }

  #start(name: MechanismName): ServerMechanism {
    const { peerUid, mapsTo = provesNothing, cookies, randomBytes } = this.#options;
    if (name === 'EXTERNAL') return new ExternalServer(peerUid, mapsTo);
    if (name === 'ANONYMOUS' || cookies === undefined) return new AnonymousServer();
    return new CookieServer(cookies, randomBytes);
  }

  #take(step: ServerStep): string {
    if (step.kind === 'rejected') return this.#reject(step.reason);
    if (step.kind === 'accepted') {
      this.#state = 'waiting-for-begin';
      this.#identity = step.identity;
      return `OK ${this.#options.guid}`;
    }
    this.#state = 'waiting-for-data';
    return step.data === '' ? 'DATA' : `DATA ${encodeHex(step.data)}`;
  }

  #reject(reason: string): string {
    this.#state = 'waiting-for-auth';
    this.#mechanism = undefined;
    this.#identity = undefined;
    this.#hasUnixFds = false;
    this.#lastRejection = reason;
    this.#rejections++;
    if (this.#rejections >= REJECTIONS_MAX) {
      this.fail('rejected', `rejected ${this.#rejections} times; last reason: ${reason}`);
    }
    return ['REJECTED', ...MECHANISMS.filter((name) => this.#offers(name))].join(' ');
  }
}

const EXTERNAL_ONLY: readonly MechanismName[] = ['EXTERNAL'];

function error(text: string): string {
  return `ERROR "${text}"`;
}

function provesNothing(): boolean {
  return false;
}

import {
  closeReceived,
  closeSocket,
  getOpenFilesLimit,
  lookupUser,
  setNoDelay,
  SystemError,
} from '#core/linux/index.js';
import { identityOf, NOBODY, type Credentials } from '#bridge/registry/connection.js';
import type { NewClient } from '#bridge/registry/replica.js';
import { SaslServer } from '#bridge/sasl/server.js';
import { canConnect, type ClientOrigin } from '#policy/index.js';

import { internalError } from './blame.js';
import { originOf } from './client-origin.js';
import { CONSOLE_PATHS, isAtConsole } from './console.js';
import { Handshake } from './handshake.js';
import type { Host } from './host.js';
import type { LogLevel } from './host-options.js';
import type { Sandboxes } from './host-parts.js';
import { Listener } from './listener.js';
import { Lobby } from './lobby.js';
import type { Endpoint } from './poller.js';
import { Shim } from './shim.js';
import { SocketCredentials } from './socket-credentials.js';
import type { Spreader } from './spreader.js';
import { isSameUserInNamespace } from './uid-map.js';

/** A host with fewer free descriptors accepts no more clients. */
const FREE_FDS_MIN = 64;

const NOT_CONFINED =
  'its role limits what it sees of the bus, which needs a local client with the uid that the kernel reports';
const NOT_KNOWN =
  'a role may limit what it sees of the bus, but its process has ended, or cannot be inspected';
const CONFINED_NOW = 'after a reload, its role limits what it sees of the bus; it may reconnect';

/** Accepts and authenticates clients, which become peers if the policy allows them to connect. */
export class Entrance {
  readonly lobby: Lobby;
  readonly sandboxes: Sandboxes | null;
  private readonly host: Host;
  private readonly listeners: Endpoint[] = [];
  /** null: clients stay here */
  spreader: Spreader | null = null;

  constructor(host: Host) {
    this.host = host;
    this.sandboxes = host.parts.sandboxes?.(host) ?? null;
    this.lobby = new Lobby(host.limits, host.deadlines, {
      expired: (fd) => this.expired(fd),
      setAccepting: (isAccepting) => {
        this.setAccepting(isAccepting);
        this.host.registry.setAccepting(isAccepting);
      },
    });
  }

  /** Applies a changed policy and changed limits to the present clients. */
  review(shims: Iterable<Shim>): void {
    const { host, lobby } = this;
    lobby.setLimits(host.limits);
    if (host.grants.rules.roles.length > 0) {
      for (const shim of shims) {
        if (this.isToBeConfined(shim.credentials)) host.close(shim, CONFINED_NOW);
      }
      for (const { isNative, process, credentials } of host.directory.connections.values()) {
        if (!isNative || host.grants.confinementOf(credentials) === undefined) continue;
        host.peers?.shared.expel(process, new Error(CONFINED_NOW));
      }
    }
    this.sandboxes?.review();
  }

  listen(fd: number): void {
    this.addListener(new Listener(this.host, fd));
  }

  /** Accepts the clients of a listener while there is room for them. */
  addListener(listener: Endpoint): void {
    if (this.spreader?.isAccepting !== false) this.host.poller.watch(listener);
    this.listeners.push(listener);
  }

  /** Closes a listener, unless `close` has done so. */
  removeListener(listener: Endpoint): void {
    const at = this.listeners.indexOf(listener);
    if (at < 0) return;
    this.listeners.splice(at, 1);
    this.host.poller.close(listener.fd);
  }

  /** Stops admitting clients. */
  close(): void {
    for (const listener of this.listeners.splice(0)) this.host.poller.close(listener.fd);
  }

  /**
   * Takes over a socket that was accepted here or by another process. Its client sees of the bus what its roles allow.
   *
   * @throws SystemError: the socket is still the caller's
   */
  take(fd: number, client: NewClient): void {
    const { sandboxes } = this;
    const { grants } = this.host;
    const credentials = credentialsOf(fd, client.isUnix);
    const { uid } = credentials;
    if (grants.rules.roles.length > 0) {
      credentials.origin = this.originOf(credentials, client.listener);
      credentials.atConsole = uid !== undefined && this.sitsHere(uid);
      const confinement = uid === undefined ? undefined : grants.confinementOf(credentials);
      if (confinement !== undefined && sandboxes !== null) {
        credentials.close();
        return sandboxes.confine(fd, confinement, client.listener);
      }
    }
    this.greet(fd, client, credentials);
  }

  /** The facts about a client that roles depend on; undefined: none. */
  originOf(credentials: Credentials, listener: string | undefined): ClientOrigin | undefined {
    return originOf(this.host.grants.rules.roles, credentials, listener);
  }

  /**
   * Starts the authentication of a client. `credentials` are the client's, which may differ from those of the socket.
   *
   * @throws SystemError: the socket is still the caller's
   */
  greet(
    fd: number,
    { isUnix, nonce }: Pick<NewClient, 'isUnix' | 'nonce'>,
    credentials: SocketCredentials,
  ): void {
    if (!isUnix) setNoDelay(fd);
    const server = this.newSaslServer(credentials, isUnix);
    const handshake = new Handshake(this.host, fd, credentials, server, {
      nonce,
      canPassUnixFds: isUnix,
    });
    this.host.poller.expect(handshake);
    this.lobby.enter(fd);
  }

  /** Like `take`, for a socket that another process has accepted for this host. */
  takeFromElsewhere(fd: number, client: NewClient): void {
    if (fd > getOpenFilesLimit().soft - FREE_FDS_MIN) this.lobby.runShort();
    try {
      this.take(fd, client);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      closeSocket(fd);
      this.lobby.runShort();
      this.host.log('error', 'connection refused: the bus cannot add the client', {
        error: error.code,
      });
    }
  }

  /** The handshake is over: the connection becomes a peer, if the policy allows this user to connect. */
  authenticated(
    handshake: Handshake,
    uid: number | undefined,
    hasUnixFds: boolean,
    rest: Uint8Array,
  ): void {
    const { host } = this;
    const { credentials } = handshake;
    credentials.uid = uid;
    credentials.atConsole = uid !== undefined && this.sitsHere(uid);
    if (!this.isWelcome(credentials)) {
      const who = uid === undefined ? 'an anonymous client' : `uid ${uid}`;
      return this.endHandshake(handshake, `the policy does not allow ${who} to connect`);
    }
    /* the client is not the user that the kernel reports, or is on another machine */
    if (this.isToBeConfined(credentials)) return this.endHandshake(handshake, NOT_CONFINED);
    if (!credentials.isConfined && this.host.grants.mightConfine(credentials)) {
      return this.endHandshake(handshake, NOT_KNOWN);
    }
    const shim = new Shim(host, handshake.fd, hasUnixFds, uid ?? NOBODY);
    shim.credentials = credentials;
    host.adopt(shim);
    host.registry.admit(shim, credentials);
    shim.feed(rest, handshake.descriptors);
  }

  /** `reason` undefined: the client closed the connection. */
  endHandshake(handshake: Handshake, reason: string | undefined, level: LogLevel = 'notice'): void {
    const { poller } = this.host;
    if (poller.at(handshake.fd) !== handshake) return;
    if (reason !== undefined) this.host.diagnostics.refused(handshake.credentials, level, reason);
    for (const fd of handshake.descriptors) closeReceived(fd);
    handshake.credentials.close();
    this.lobby.leave(handshake.fd);
    poller.close(handshake.fd);
  }

  /** Reading from the client, or watching its socket, has failed. */
  failed(handshake: Handshake, error: unknown): void {
    if (error instanceof SystemError) this.lobby.runShort();
    this.endHandshake(handshake, internalError(error));
  }

  /** Whether a user is logged in at this machine; false, without a look-up, if no rule depends on it. */
  sitsHere(uid: number): boolean {
    const { atConsole, notAtConsole } = this.host.grants.rules;
    if (atConsole.length === 0 && notAtConsole.length === 0) return false;
    return isAtConsole(uid, lookupUser(uid)?.name, CONSOLE_PATHS);
  }

  private isWelcome(credentials: Credentials): boolean {
    const { options, grants } = this.host;
    if (credentials.uid === undefined) return options.allowAnonymous;
    return canConnect(grants.rules, identityOf(credentials), options.uid).allowed;
  }

  private isToBeConfined(credentials: SocketCredentials): boolean {
    return !credentials.isConfined && this.host.grants.confinementOf(credentials) !== undefined;
  }

  private newSaslServer(credentials: Credentials, canPassUnixFds: boolean): SaslServer {
    const { guid, mechanisms } = this.host.options;
    const { randomBytes, cookies } = this.host.parts;
    return new SaslServer({
      guid,
      mechanisms,
      peerUid: credentials.uid,
      canPassFds: canPassUnixFds,
      randomBytes,
      cookies,
      mapsTo: (claimedUid) => mayClaim(credentials, claimedUid),
    });
  }

  private expired(fd: number): void {
    const { host } = this;
    const endpoint = host.poller.at(fd);
    const within = `within auth_timeout=${host.limits.authTimeoutMs} ms`;
    if (endpoint instanceof Handshake) {
      /* the one reason that dbus-daemon logs, as a warning (`bus/connection.c`) */
      this.endHandshake(endpoint, `it did not authenticate ${within}`, 'warn');
    } else if (endpoint instanceof Shim) host.close(endpoint, `it did not send Hello ${within}`);
  }

  setAccepting(isAccepting: boolean): void {
    const { poller } = this.host;
    for (const listener of this.listeners) {
      if (isAccepting) poller.watch(listener);
      else poller.ignore(listener.fd);
    }
  }
}

/** Whether a client may claim this uid because it has it in its user namespace. */
export function mayClaim({ uid, pid, pidFd }: Credentials, claimedUid: number): boolean {
  if (uid === undefined || pid === undefined || pidFd === undefined) return false;
  return isSameUserInNamespace({ uid, pid, pidFd }, claimedUid);
}

function credentialsOf(fd: number, isUnix: boolean): SocketCredentials {
  return isUnix ? SocketCredentials.of(fd) : SocketCredentials.none();
}

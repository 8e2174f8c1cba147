import { lstatSync, rmSync } from 'node:fs';
import {
  acceptConnection,
  closeFd,
  Errno,
  setNonBlocking,
  socketPair,
  SystemError,
  unixSocketPath,
} from '#core/linux/index.js';
import type { Host } from '#bridge/host/host.js';
import type { Endpoint } from '#bridge/host/poller.js';
import { Shim } from '#bridge/host/shim.js';
import { SocketCredentials } from '#bridge/host/socket-credentials.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import type { FilterOptions } from './proxy-options.js';
import { Session } from './session.js';

/** accept(2): what passes when others have closed something. */
const SHORTAGES = [Errno.EMFILE, Errno.ENFILE, Errno.ENOBUFS, Errno.ENOMEM];

/** Of a message that is copied rather than sent. */
const SHORT_BYTES = 16 * 1024;

/** What somebody has asked for; the descriptors are the listener's. */
export interface RestrictedSocket {
  readonly socketFd: number;
  /** the end of its other side ends the listener and its clients */
  readonly lifeFd: number;
  readonly options: FilterOptions;
}

/**
 * A socket of which each client is a connection of this bus behind a `Session` in this process. The two talk through a
 * pair of sockets, which costs a message some system calls, but no other process and none of the bus's own paths.
 */
export class RestrictedListener implements Endpoint {
  readonly fd: number;
  private readonly host: Host;
  private readonly life: Endpoint;
  private readonly options: FilterOptions;
  private readonly ended: () => void;
  private readonly path: string;
  private readonly inode: bigint | undefined;
  private readonly sessions = new Set<Session>();
  /** those that have not said Hello */
  private readonly unknown = new Set<Session>();
  /** descriptors of sessions that are watched */
  private readonly watched = new Set<number>();

  /** @throws SystemError: the descriptors are still the caller's */
  constructor(host: Host, { socketFd, lifeFd, options }: RestrictedSocket, ended: () => void) {
    this.host = host;
    this.fd = socketFd;
    this.options = options;
    this.ended = ended;
    this.path = unixSocketPath(socketFd) ?? '';
    this.inode = inodeOf(this.path);
    this.life = {
      fd: lifeFd,
      isEdgeTriggered: true,
      readable: (isEnding) => {
        if (isEnding) this.end();
      },
    };
    setNonBlocking(socketFd);
    host.poller.watch(this.life);
    host.entrance.addListener(this);
  }

  readable(isEnding: boolean): void {
    if (isEnding) return this.end();
    if (this.unknown.size >= this.unknownMax) return this.host.poller.setReading(this.fd, false);
    const fd = acceptConnection(this.fd);
    if (fd >= 0) return this.accepted(fd);
    if (SHORTAGES.some((errno) => errno === -fd)) this.host.entrance.lobby.runShort();
    else if (fd !== -Errno.EAGAIN && fd !== -Errno.ECONNABORTED) this.end();
  }

  end(): void {
    this.removePath();
    for (const session of this.sessions) session.end();
    this.host.entrance.removeListener(this);
    this.host.poller.close(this.life.fd);
    this.ended();
  }

  /** Another process may listen there by now. A file that the bus may not remove is left. */
  private removePath(): void {
    if (this.inode === undefined || inodeOf(this.path) !== this.inode) return;
    try {
      rmSync(this.path, { force: true });
    } catch (error) {
      this.host.log('info', 'a socket of a sandbox stays behind', {
        path: this.path,
        error: (error as NodeJS.ErrnoException).code ?? '',
      });
    }
  }

  /** A sandbox whose clients say nothing leaves room for those of others (max_incomplete_connections). */
  private get unknownMax(): number {
    return Math.max(1, this.host.limits.maxIncompleteConnections >> 1);
  }

  private known(session: Session): void {
    if (this.unknown.delete(session)) this.host.poller.setReading(this.fd, true);
  }

  private accepted(fd: number): void {
    const opened: number[] = [fd];
    let credentials: SocketCredentials | undefined;
    try {
      credentials = SocketCredentials.ofDuplicate(fd);
      const pair = socketPair();
      opened.push(...pair);
      const session = this.newSession(fd, pair, credentials);
      /* from now on the session closes its two */
      opened.splice(0, 2);
      this.begin(session, pair[1], credentials);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      credentials?.close();
      for (const each of opened) closeFd(each);
      this.host.entrance.lobby.runShort();
    }
  }

  /** The bus sees the client's own credentials. @throws SystemError: `theirs` is still the caller's */
  private begin(session: Session, theirs: number, credentials: SocketCredentials): void {
    try {
      this.host.entrance.take(theirs, { isUnix: true }, credentials);
    } catch (error) {
      session.end();
      throw error;
    }
    this.sessions.add(session);
    this.unknown.add(session);
    this.watch(session);
  }

  private newSession(
    clientFd: number,
    [ours, theirs]: readonly [number, number],
    credentials: SocketCredentials,
  ): Session {
    const options = { ...this.options, log: false, uid: credentials.uid!, lingerMs: 0 };
    return new Session(clientFd, { fd: ours, guid: undefined }, options, {
      changed: (each) => this.watch(each),
      ended: (each) => this.forget(each),
      admitted: (each) => this.known(each),
      deliver: ({ sentBytes }, header, fds) => {
        const shim = this.host.poller.at(theirs);
        if (!(shim instanceof Shim) || shim.credentials !== credentials) return false;
        return deliverTo(shim, sentBytes, header, fds);
      },
    });
  }

  private watch(session: Session): void {
    const { bus, client, wantsBus, wantsClient } = session;
    this.setWatched(bus.fd, session, wantsBus);
    if (client !== undefined) this.setWatched(client.fd, session, wantsClient);
    const waitMs = Math.max(bus.timeoutMs, client?.timeoutMs ?? -1);
    if (waitMs >= 0) this.host.at(performance.now() + waitMs, () => this.retry(session));
  }

  private retry(session: Session): void {
    const { poller } = this.host;
    for (const side of [session.bus, session.client]) {
      const endpoint =
        side === undefined || !this.sessions.has(session) ? null : poller.at(side.fd);
      if (endpoint !== null) poller.again(endpoint);
    }
  }

  private setWatched(fd: number, session: Session, isWanted: boolean): void {
    if (isWanted === this.watched.has(fd)) return;
    const { poller } = this.host;
    if (isWanted) {
      this.watched.add(fd);
      poller.watch({ fd, readable: () => session.dispatch(fd), fail: () => session.end() });
    } else {
      this.watched.delete(fd);
      poller.ignore(fd);
    }
  }

  private forget(session: Session): void {
    this.sessions.delete(session);
    this.known(session);
    for (const side of [session.bus, session.client]) {
      if (side !== undefined) this.setWatched(side.fd, session, false);
    }
  }
}

/**
 * Spares a short message the way through the sockets, if all before it, which are `sentBytes`, have arrived by that way
 * and nothing keeps the connection from going on.
 */
function deliverTo(
  shim: Shim,
  sentBytes: number,
  { bytes, start, end }: MessageHeader,
  fds: readonly number[],
): boolean {
  const isNext = shim.incomingBytes === sentBytes && !shim.isWaiting && !shim.isWoken;
  if (!isNext || end - start > SHORT_BYTES) return false;
  shim.begin();
  shim.feed(bytes.subarray(start, end), fds);
  return true;
}

/** Of a path that is the same wherever one looks from; undefined for any other. */
function inodeOf(path: string): bigint | undefined {
  if (!path.startsWith('/')) return undefined;
  try {
    return lstatSync(path, { bigint: true }).ino;
  } catch {
    /* gone, or in a folder that is not the bus's to look into */
    return undefined;
  }
}

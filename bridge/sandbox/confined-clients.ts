import { closeFd, socketPair, SystemError } from '#core/linux/index.js';
import { mayClaim } from '#bridge/host/entrance.js';
import { internalError } from '#bridge/host/blame.js';
import type { Host } from '#bridge/host/host.js';
import type { Shortcut } from '#bridge/host/outbox.js';
import type { Endpoint } from '#bridge/host/poller.js';
import { noteDenial } from '#bridge/host/refusals.js';
import { Shim } from '#bridge/host/shim.js';
import { SocketCredentials } from '#bridge/host/socket-credentials.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { describeMessage } from '#bridge/wire/header-text.js';
import { ClientInput } from './client-input.js';
import type { FilterOptions } from './proxy-options.js';
import { Session } from './session.js';

/** The longest message that is copied to the bus instead of being sent through a socket. */
const SHORT_BYTES = 16 * 1024;

export interface ConfinedClient {
  readonly session: Session;
  readonly credentials: SocketCredentials;
  /** its connection; undefined before it has authenticated */
  readonly shim: () => Shim | undefined;
}

/**
 * Clients that see a part of the bus: each is a connection of this bus behind a `Session` in this process. The pair of
 * sockets between the two carries only what cannot be handed over directly, such as long messages.
 */
export class ConfinedClients {
  private readonly host: Host;
  private readonly admitted: (session: Session) => void;
  private readonly bySession = new Map<Session, ConfinedClient>();
  /** of clients whose authentication has begun */
  private readonly inputs = new Map<Session, ClientInput>();
  /** those that have not said Hello */
  private readonly unknown = new Set<Session>();
  /** descriptors of sessions that are watched */
  private readonly watched = new Set<number>();

  /** @param admitted is called when one has said Hello, or ends without */
  constructor(host: Host, admitted: (session: Session) => void = () => {}) {
    this.host = host;
    this.admitted = admitted;
  }

  get unknownCount(): number {
    return this.unknown.size;
  }

  all(): Iterable<ConfinedClient> {
    return this.bySession.values();
  }

  /** Serves a client of a Unix socket, which is closed if that fails. `listener`: its address, for roles. */
  serve(fd: number, options: FilterOptions, listener?: string): void {
    const opened: number[] = [fd];
    let made: SocketCredentials | undefined;
    try {
      const credentials = SocketCredentials.ofDuplicate(fd);
      made = credentials;
      credentials.origin = this.host.entrance.originOf(credentials, listener);
      credentials.isConfined = true;
      const pair = socketPair();
      opened.push(...pair);
      const shim = (): Shim | undefined => this.shimAt(pair[1], credentials);
      const session = this.newSession(fd, pair[0], credentials, options, shim);
      /* from now on the session closes the first two */
      opened.splice(0, 2);
      this.begin({ session, credentials, shim }, pair[1]);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      made?.close();
      for (const each of opened) closeFd(each);
      this.host.entrance.lobby.runShort();
    }
  }

  /** Ends a client and its connection. */
  close({ session, shim }: ConfinedClient, reason: string): void {
    const own = shim();
    if (own !== undefined) this.host.close(own, reason);
    session.end();
  }

  end(): void {
    for (const session of this.bySession.keys()) session.end();
  }

  /** The bus sees the client's own credentials. @throws SystemError: the caller still owns `theirs` */
  private begin(client: ConfinedClient, theirs: number): void {
    const { session, credentials } = client;
    try {
      this.host.entrance.greet(theirs, { isUnix: true, nonce: undefined }, credentials);
    } catch (error) {
      session.end();
      throw error;
    }
    this.bySession.set(session, client);
    this.unknown.add(session);
    this.watch(session);
  }

  private shimAt(fd: number, credentials: SocketCredentials): Shim | undefined {
    const shim = this.host.poller.at(fd);
    return shim instanceof Shim && shim.credentials === credentials ? shim : undefined;
  }

  private newSession(
    clientFd: number,
    ours: number,
    credentials: SocketCredentials,
    filter: FilterOptions,
    shimOf: () => Shim | undefined,
  ): Session {
    const options = {
      ...filter,
      log: false,
      uid: credentials.uid!,
      mapsTo: (claimedUid: number) => mayClaim(credentials, claimedUid),
      lingerMs: 0,
    };
    return new Session(clientFd, { fd: ours, guid: undefined }, options, {
      changed: (each) => this.watch(each),
      ended: (each) => this.forget(each),
      admitted: (each) => {
        this.known(each);
        const shim = shimOf();
        if (shim === undefined) return;
        shim.outbox.shortcut ??= this.shortcutTo(each, shim);
        const input = this.inputs.get(each);
        if (input !== undefined) input.share = shim.share;
      },
      denied: ({ denial }, header) => {
        const shim = shimOf();
        if (shim === undefined || denial === undefined) return;
        const fields = { ...denial, message: describeMessage(header) };
        noteDenial(this.host, shim.connection, fields);
      },
      takes: (each) => this.inputs.get(each)?.takes() !== false,
      deliver: ({ sentBytes }, header, fds) => {
        const shim = shimOf();
        return shim !== undefined && deliverTo(shim, sentBytes, header, fds);
      },
    });
  }

  /** Lets messages of the bus bypass the pair of sockets. */
  private shortcutTo(session: Session, shim: Shim): Shortcut {
    const { host } = this;
    return {
      take: (bytes, start, end, leftBytes) =>
        leftBytes === session.takenBytes && session.bus.feed(bytes, start, end),
      taken() {
        try {
          session.takeFed();
        } catch (error) {
          if (!host.domain.isIdle) throw error;
          host.close(shim, internalError(error));
          session.end();
        }
      },
    };
  }

  private known(session: Session): void {
    if (this.unknown.delete(session)) this.admitted(session);
  }

  private watch(session: Session): void {
    const { bus, client, wantsBus, wantsClient } = session;
    this.setWatched(bus.fd, wantsBus, () => this.busSide(session));
    if (client !== undefined) {
      this.setWatched(client.fd, wantsClient, () => this.inputOf(session, client.fd));
      if (!wantsClient) this.inputs.get(session)?.ignored();
    }
    const waitMs = Math.max(bus.timeoutMs, client?.timeoutMs ?? -1);
    if (waitMs >= 0) this.host.at(performance.now() + waitMs, () => this.retry(session));
  }

  private retry(session: Session): void {
    const { poller } = this.host;
    for (const side of [session.bus, session.client]) {
      const endpoint =
        side === undefined || !this.bySession.has(session) ? null : poller.at(side.fd);
      if (endpoint !== null) poller.again(endpoint);
    }
  }

  private busSide(session: Session): Endpoint {
    const { fd } = session.bus;
    return { fd, readable: () => session.dispatch(fd), fail: () => session.end() };
  }

  private inputOf(session: Session, fd: number): Endpoint {
    const input = this.inputs.get(session) ?? new ClientInput(fd, session, this.host);
    this.inputs.set(session, input);
    return input;
  }

  private setWatched(fd: number, isWanted: boolean, endpoint: () => Endpoint): void {
    if (!isWanted) return this.ignore(fd);
    if (this.watched.has(fd)) return;
    this.watched.add(fd);
    this.host.poller.watch(endpoint());
  }

  private ignore(fd: number): void {
    if (this.watched.delete(fd)) this.host.poller.ignore(fd);
  }

  private forget(session: Session): void {
    this.bySession.delete(session);
    this.inputs.delete(session);
    this.known(session);
    for (const side of [session.bus, session.client]) if (side !== undefined) this.ignore(side.fd);
  }
}

/**
 * Lets a short message bypass the pair of sockets, if all `sentBytes` before it have arrived, and nothing keeps the
 * connection from being read.
 */
function deliverTo(
  shim: Shim,
  sentBytes: number,
  { bytes, start, end }: MessageHeader,
  fds: readonly number[],
): boolean {
  const isNext = shim.incomingBytes === sentBytes && shim.takesMore && !shim.isWoken;
  if (!isNext || end - start > SHORT_BYTES) return false;
  shim.begin();
  shim.feed(bytes.subarray(start, end), fds);
  return true;
}

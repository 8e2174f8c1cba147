import { socketPair } from '#core/linux/index.js';
import { Authority, SharedDomain, type JoinOptions } from '#core/shared/index.js';
import type { DomainAccess } from '#bridge/driver/door.js';
import { identityOf, type Credentials } from '#bridge/registry/connection.js';
import { canConnect } from '#policy/index.js';

import type { Host } from './host.js';
import type { LocalRegistry } from './local-registry.js';
import { readCredentials, sortedWith } from './socket-credentials.js';
import { maximaOf } from './users.js';

/** How long the process of the authority may take to answer at start-up. */
const JOIN_TIMEOUT_MS = 10_000;

/** This host's membership in the shared domain. */
export class HostDomain {
  readonly shared: SharedDomain;
  private readonly authority: Authority | null;

  private constructor(
    host: Host,
    fd: number,
    options: Partial<JoinOptions>,
    authority: Authority | null,
  ) {
    this.authority = authority;
    this.shared = SharedDomain.join(fd, {
      local: host.domain,
      maxima: maximaOf(host.limits),
      /* not needed: each turn of the loop calls `beforeSleep` */
      schedule: () => {},
      afterEntry: () => host.afterEntry(),
      onDiagnostic: (text) => host.log('warn', text),
      ...options,
    });
    const { shared } = this;
    host.poller.watch({ fd: shared.fd, readable: () => shared.dispatch() });
  }

  /** The domain of a bus whose registry is in this process: members join by connecting to one of `listenFds`. */
  static found(host: Host, registry: LocalRegistry, listenFds: readonly number[]): HostDomain {
    const authority = new Authority({
      mayJoin: ({ uid, gid, groups }) => {
        const gids = sortedWith(groups, gid);
        return refusal(host, { uid, gids, atConsole: host.entrance.sitsHere(uid) }) ?? true;
      },
      onDiagnostic: (text) => host.log('warn', text),
    });
    const [ours, theirs] = socketPair();
    authority.admit(ours, { isRoot: true });
    const access = domainAccess(host, authority, () => domain.shared);
    const { handle } = registry.driver.openDoor(access);
    const domain: HostDomain = new HostDomain(host, theirs, { root: handle }, authority);
    for (const fd of listenFds) authority.listenOn(fd);
    while (!domain.shared.isReady) {
      authority.dispatch();
      domain.shared.dispatch();
    }
    host.poller.watch({ fd: authority.fd, readable: () => authority.dispatch() });
    return domain;
  }

  /** Joins the domain of a bus whose registry is in another process; its authority has the socket's other end. */
  static join(host: Host, fd: number): HostDomain {
    const domain = new HostDomain(host, fd, {}, null);
    if (domain.shared.awaitReady(JOIN_TIMEOUT_MS)) return domain;
    const why =
      domain.shared.refusal ?? `its authority did not answer within ${JOIN_TIMEOUT_MS} ms`;
    throw new Error(`this process cannot join the domain of the bus: ${why}`);
  }

  /** Admits a process that was started to be a host of this bus. */
  admitHost(fd: number): void {
    if (this.authority === null) throw new Error('the authority is in another process');
    this.authority.admit(fd, { isTrusted: true });
  }

  /** Whether that process was started by this bus. */
  isTrusted(process: number): boolean {
    return this.shared.identityOf(process)?.isTrusted === true;
  }

  /** Processes what has arrived; returns how long the loop may sleep: `wantedMs` (-1: no limit), or less. */
  // hot
  sleepMs(wantedMs: number): number {
    const { shared } = this;
    /* while an introduction is awaited, `dispatch` must run so that it can time out */
    if (shared.timeoutMs >= 0 && shared.dispatch() > 0) return 0;
    if (shared.beforeSleep()) {
      shared.dispatch();
      return 0;
    }
    const { timeoutMs } = shared;
    return timeoutMs < 0 || (wantedMs >= 0 && wantedMs < timeoutMs) ? wantedMs : timeoutMs;
  }

  close(): void {
    this.shared.close();
    this.authority?.close();
  }
}

function domainAccess(host: Host, authority: Authority, shared: () => SharedDomain): DomainAccess {
  return {
    isTrusted: (process) => shared().identityOf(process)?.isTrusted === true,
    credentialsOf: (process) => {
      const fd = authority.socketOf(process);
      return fd === undefined ? undefined : credentialsOf(fd, host);
    },
    refusal: (credentials) => refusal(host, identityOf(credentials)),
    isConfined: (credentials) =>
      host.grants.confinementOf(credentials) !== undefined || host.grants.mightConfine(credentials),
  };
}

/** Why the policy does not allow a user on the bus and in its domain; undefined: it does. */
function refusal(host: Host, identity: Parameters<typeof canConnect>[1]): string | undefined {
  const { allowed } = canConnect(host.grants.rules, identity, host.options.uid);
  return allowed ? undefined : `the policy does not allow uid ${identity.uid} to connect`;
}

function credentialsOf(fd: number, host: Host): Credentials {
  const noted = readCredentials(fd);
  const credentials = { ...noted, atConsole: host.entrance.sitsHere(noted.uid) };
  return { ...credentials, origin: host.entrance.originOf(credentials, undefined) };
}

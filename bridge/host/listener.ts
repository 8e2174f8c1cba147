import {
  acceptConnection,
  AF_UNIX,
  Errno,
  errnoName,
  peerCredentials,
  peerGroups,
  peerPidFd,
  peerSecurityLabel,
  setNoDelay,
  socketDomain,
} from '#core/linux/index.js';
import type { Credentials } from '#bridge/registry/connection.js';

import type { ConnectingClient } from './handshake.js';
import type { Host } from './host.js';

/** A socket that clients connect to. */
export class Listener {
  readonly fd: number;
  private readonly host: Host;
  private readonly isUnix: boolean;
  private readonly strangers: ConnectingClient;

  constructor(host: Host, fd: number) {
    this.host = host;
    this.fd = fd;
    this.isUnix = socketDomain(fd) === AF_UNIX;
    const nonce = host.options.nonces?.get(fd);
    this.strangers = nonce === undefined ? NO_CREDENTIALS : { ...NO_CREDENTIALS, nonce };
  }

  /** Accepts one connection a turn: others that wait keep the socket readable. */
  readable(): void {
    const fd = acceptConnection(this.fd);
    if (fd >= 0) {
      if (!this.isUnix) setNoDelay(fd);
      this.host.accepted(fd, this.isUnix ? unixCredentials(fd) : this.strangers, this.isUnix);
    } else if (fd !== -Errno.EAGAIN && fd !== -Errno.ECONNABORTED) {
      this.host.log('error', 'cannot accept a connection', { error: errnoName(-fd) });
    }
  }
}

const NO_CREDENTIALS: Credentials = {
  uid: undefined,
  gid: undefined,
  pid: undefined,
  groups: undefined,
  pidFd: undefined,
  securityLabel: undefined,
  atConsole: false,
};

/** What the kernel noted when the client called connect(2). */
function unixCredentials(fd: number): Credentials {
  const { uid, gid, pid } = peerCredentials(fd);
  const groups = peerGroups(fd);
  return {
    uid,
    gid,
    pid: pid > 0 ? pid : undefined,
    groups: groups === undefined ? undefined : sortedWith(groups, gid),
    pidFd: peerPidFd(fd),
    securityLabel: peerSecurityLabel(fd),
    atConsole: false,
  };
}

/** SO_PEERGROUPS leaves the primary group out; UnixGroupIDs has it (D-Bus specification, GetConnectionCredentials). */
function sortedWith(groups: readonly number[], gid: number): number[] {
  return [...new Set([...groups, gid])].toSorted((a, b) => a - b);
}

import {
  acceptConnection,
  AF_UNIX,
  closeFd,
  Errno,
  errnoName,
  peerCredentials,
  peerGroups,
  peerPidFd,
  peerSecurityLabel,
  setNoDelay,
  socketDomain,
  SystemError,
} from '#core/linux/index.js';
import { NO_CREDENTIALS, type Credentials } from '#bridge/registry/connection.js';

import type { ConnectingClient } from './handshake.js';
import type { Host } from './host.js';

/** A socket that clients connect to. */
export class Listener {
  readonly fd: number;
  private readonly host: Host;
  private readonly isUnix: boolean;
  /** nobody could be accepted the last time, and the log says so */
  private isShort = false;
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
    if (this.host.entrance.isCrowded) this.host.entrance.giveWay(this);
    else this.accept();
  }

  accept(): void {
    const fd = acceptConnection(this.fd);
    if (fd >= 0) this.accepted(fd);
    else if (fd !== -Errno.EAGAIN && fd !== -Errno.ECONNABORTED) this.waitForRoom(errnoName(-fd));
  }

  private accepted(fd: number): void {
    let client = this.strangers;
    try {
      if (this.isUnix) client = unixCredentials(fd);
      else setNoDelay(fd);
    } catch (error) {
      closeFd(fd);
      this.waitForRoom(error instanceof SystemError ? error.code : String(error));
      return;
    }
    this.isShort = false;
    this.host.entrance.accepted(fd, client, this.isUnix);
  }

  /**
   * No descriptors or no memory: who connects waits in the kernel, and the socket must not keep us
   * awake.
   */
  private waitForRoom(error: string): void {
    if (!this.isShort) this.host.log('error', 'cannot accept connections for now', { error });
    this.isShort = true;
    this.host.entrance.lobby.runShort();
  }
}

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

/**
 * SO_PEERGROUPS leaves the primary group out; UnixGroupIDs has it (D-Bus specification,
 * GetConnectionCredentials).
 */
export function sortedWith(groups: readonly number[], gid: number): number[] {
  return [...new Set([...groups, gid])].toSorted((a, b) => a - b);
}

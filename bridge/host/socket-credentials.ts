import {
  closeFd,
  duplicate,
  peerCredentials,
  peerGroups,
  peerPidFd,
  peerSecurityLabel,
  SystemError,
} from '#core/linux/index.js';
import type { Credentials } from '#bridge/registry/connection.js';
import type { ClientOrigin } from '#policy/index.js';

const NO_SOCKET = -1;

/** Reads all credentials at once; `atConsole` and `origin` are left to the caller. @throws SystemError */
export function readCredentials(fd: number): Credentials & { readonly uid: number } {
  const { uid, gid, pid } = peerCredentials(fd);
  return {
    uid,
    gid,
    pid: pid > 0 ? pid : undefined,
    groups: sortedWith(peerGroups(fd) ?? [], gid),
    pidFd: peerPidFd(fd),
    securityLabel: peerSecurityLabel(fd),
    atConsole: false,
    origin: undefined,
  };
}

/**
 * The credentials of the process at the other end of a socket. The kernel keeps what it noted at connect(2) for as
 * long as the socket is open, so what is rarely needed (groups, pidfd, label) is fetched on first use: most
 * connections end before that.
 */
export class SocketCredentials implements Credentials {
  readonly gid: number | undefined;
  readonly pid: number | undefined;
  uid: number | undefined;
  atConsole = false;
  origin: ClientOrigin | undefined = undefined;
  /** what the client sees of the bus is filtered, as its roles require */
  isConfined = false;
  private fd: number;
  private ownsSocket = false;
  private knownGroups: readonly number[] | undefined;
  private knownPidFd: number | undefined;
  private knownLabel: Uint8Array | undefined;
  private hasGroups = false;
  private hasPidFd = false;
  private hasLabel = false;

  private constructor(fd: number, uid?: number, gid?: number, pid?: number) {
    this.fd = fd;
    this.uid = uid;
    this.gid = gid;
    this.pid = pid;
  }

  /** The credentials of a Unix socket. @throws SystemError */
  static of(fd: number): SocketCredentials {
    const { uid, gid, pid } = peerCredentials(fd);
    return new SocketCredentials(fd, uid, gid, pid > 0 ? pid : undefined);
  }

  /** The credentials of a Unix socket that the caller keeps: `close` closes a duplicate. @throws SystemError */
  static ofDuplicate(fd: number): SocketCredentials {
    const copy = duplicate(fd);
    try {
      const credentials = SocketCredentials.of(copy);
      credentials.ownsSocket = true;
      return credentials;
    } catch (error) {
      closeFd(copy);
      throw error;
    }
  }

  /** The credentials of a socket that carries none. */
  static none(): SocketCredentials {
    return new SocketCredentials(NO_SOCKET);
  }

  get groups(): readonly number[] | undefined {
    if (!this.hasGroups && this.fd !== NO_SOCKET) {
      const groups = peerGroups(this.fd);
      this.knownGroups = groups && sortedWith(groups, this.gid!);
      this.hasGroups = true;
    }
    return this.knownGroups;
  }

  /** Also undefined when the process had ended before the first use, or when we are out of descriptors. */
  get pidFd(): number | undefined {
    if (!this.hasPidFd && this.fd !== NO_SOCKET) {
      try {
        this.knownPidFd = peerPidFd(this.fd);
        this.hasPidFd = true;
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
      }
    }
    return this.knownPidFd;
  }

  get securityLabel(): Uint8Array | undefined {
    if (!this.hasLabel && this.fd !== NO_SOCKET) {
      this.knownLabel = peerSecurityLabel(this.fd);
      this.hasLabel = true;
    }
    return this.knownLabel;
  }

  /** The socket is about to be closed: its number may soon be reused. */
  close(): void {
    if (this.ownsSocket) closeFd(this.fd);
    this.ownsSocket = false;
    this.fd = NO_SOCKET;
    if (this.knownPidFd !== undefined) closeFd(this.knownPidFd);
    this.knownPidFd = undefined;
  }
}

/**
 * SO_PEERGROUPS leaves the primary group out; UnixGroupIDs has it (D-Bus specification, GetConnectionCredentials).
 */
export function sortedWith(groups: readonly number[], gid: number): number[] {
  return [...new Set([...groups, gid])].toSorted((a, b) => a - b);
}

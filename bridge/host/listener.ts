import {
  acceptConnection,
  AF_UNIX,
  closeSocket,
  Errno,
  errnoName,
  socketDomain,
  SystemError,
} from '#core/linux/index.js';
import type { NewClient } from '#bridge/registry/replica.js';

import type { Host } from './host.js';

/** A socket that clients connect to. */
export class Listener {
  readonly fd: number;
  private readonly host: Host;
  /** the last accept failed for lack of descriptors or memory, which was logged */
  private isShort = false;
  private readonly client: NewClient;

  constructor(host: Host, fd: number) {
    this.host = host;
    this.fd = fd;
    this.client = {
      isUnix: socketDomain(fd) === AF_UNIX,
      nonce: host.options.nonces?.get(fd),
      listener: host.options.addresses?.get(fd),
    };
  }

  /** Accepts one connection per turn: while others are pending, the socket stays readable. */
  readable(): void {
    const fd = acceptConnection(this.fd);
    if (fd >= 0) this.accepted(fd);
    else if (fd !== -Errno.EAGAIN && fd !== -Errno.ECONNABORTED) this.waitForRoom(errnoName(-fd));
  }

  private accepted(fd: number): void {
    const { entrance } = this.host;
    try {
      if (entrance.spreader === null) entrance.take(fd, this.client);
      else entrance.spreader.handOver(fd, this.client);
      this.isShort = false;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      closeSocket(fd);
      this.waitForRoom(error.code);
    }
  }

  /**
   * No descriptors or no memory: pending connections wait in the kernel, and the socket must not keep waking the
   * loop.
   */
  private waitForRoom(error: string): void {
    if (!this.isShort) this.host.log('error', 'cannot accept connections for now', { error });
    this.isShort = true;
    this.host.entrance.lobby.runShort();
  }
}

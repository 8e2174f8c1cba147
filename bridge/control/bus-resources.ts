import { formatAddress } from '#bridge/wire/address.js';
import { listenForNativePeers } from './listen-domain.js';
import { listenOnAll } from './listen.js';
import type { ListeningSocket } from './listening-socket.js';
import { refuseExistingPidFile, writePidFile } from './pid-file.js';
import { becomeUser, daemonUser } from './privileges.js';

export interface ResourceOptions {
  readonly addresses: readonly string[];
  readonly pidFile: string | undefined;
  /** Whom to become, once all that needs privileges is done. */
  readonly user: string | undefined;
  /** Whether programs can join as native peers. */
  readonly hasDomain: boolean;
}

/** What a bus has in the world outside its process: sockets and files. */
export class BusResources {
  readonly sockets: readonly ListeningSocket[];
  /** Where native peers join. */
  readonly domainSockets: readonly ListeningSocket[] = [];
  readonly #removePidFile: () => void = () => {};

  /** Takes everything, and gives privileges up. Throws StartupError and leaves nothing behind. */
  constructor({ addresses, pidFile, user, hasDomain }: ResourceOptions) {
    const account = user === undefined ? undefined : daemonUser(user);
    if (pidFile !== undefined) refuseExistingPidFile(pidFile);
    this.sockets = listenOnAll(addresses, process.env);
    try {
      if (hasDomain) this.domainSockets = listenForNativePeers(this.sockets);
      if (pidFile !== undefined) this.#removePidFile = writePidFile(pidFile);
      if (account !== undefined) becomeUser(account);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** By listening descriptor, for a host: what clients have to send first. */
  get nonces(): Map<number, Uint8Array> {
    return new Map(
      this.sockets.flatMap(({ fd, nonce }) => (nonce === undefined ? [] : [[fd, nonce]])),
    );
  }

  /** By listening descriptor, for a host: what roles know it by. */
  get addresses(): Map<number, string> {
    return new Map(
      this.sockets.flatMap(({ fd, address }) =>
        address === undefined ? [] : [[fd, formatAddress(address)]],
      ),
    );
  }

  /** Removes the files; the sockets themselves end with the process. */
  release(): void {
    for (const socket of [...this.sockets, ...this.domainSockets]) socket.remove();
    this.#removePidFile();
  }
}

import { existsSync, writeFileSync } from 'node:fs';
import { formatAddress } from '#bridge/wire/address.js';
import { saveCode } from './code-cache.js';
import { listenForNativePeers } from './listen-domain.js';
import { listenOnAll } from './listen.js';
import { removalOf, type ListeningSocket } from './listening-socket.js';
import { becomeUser, daemonUser } from './privileges.js';
import { StartupError, textOf } from './startup-error.js';

export interface ResourceOptions {
  readonly addresses: readonly string[];
  readonly pidFile: string | undefined;
  /** The user to become once everything that needs privileges is done. */
  readonly user: string | undefined;
  /** Whether programs can join as native peers. */
  readonly hasDomain: boolean;
}

/** The sockets and files that a bus has outside its process. */
export class BusResources {
  readonly sockets: readonly ListeningSocket[];
  /** Where native peers join. */
  readonly domainSockets: readonly ListeningSocket[] = [];
  readonly #removePidFile: () => void = () => {};

  /** Opens everything, and gives up privileges. Throws StartupError, and leaves nothing behind then. */
  constructor({ addresses, pidFile, user, hasDomain }: ResourceOptions) {
    const account = user === undefined ? undefined : daemonUser(user);
    if (pidFile !== undefined) refuseExistingPidFile(pidFile);
    this.sockets = listenOnAll(addresses, process.env);
    try {
      if (hasDomain) this.domainSockets = listenForNativePeers(this.sockets);
      if (pidFile !== undefined) this.#removePidFile = writePidFile(pidFile);
      if (account !== undefined) {
        /* the user may not write to the cache of the superuser */
        saveCode();
        becomeUser(account);
      }
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** For a host: the nonces that clients have to send first, by listening descriptor. */
  get nonces(): Map<number, Uint8Array> {
    return new Map(
      this.sockets.flatMap(({ fd, nonce }) => (nonce === undefined ? [] : [[fd, nonce]])),
    );
  }

  /** For a host: the addresses by which roles name the sockets, by listening descriptor. */
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

/** Checked before any socket is opened. */
function refuseExistingPidFile(path: string): void {
  if (!existsSync(path)) return;
  const todo = 'if no bus is running, remove the file';
  throw new StartupError('pid-file', `the pid file ${path} exists; ${todo}`);
}

/** Writes the pid of this process; the result removes the file. */
function writePidFile(path: string): () => void {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx', mode: 0o644 });
    return removalOf(path);
  } catch (error) {
    const todo = 'make its directory, or start with --nopidfile';
    throw new StartupError(
      'pid-file',
      `cannot write the pid file: ${textOf(error)}; ${todo}`,
      error,
    );
  }
}

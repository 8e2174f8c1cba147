import { lstatSync, rmSync } from 'node:fs';
import { acceptConnection, Errno, setNonBlocking, unixSocketPath } from '#core/linux/index.js';
import type { Host } from '#bridge/host/host.js';
import type { Endpoint } from '#bridge/host/poller.js';
import { ConfinedClients } from './confined-clients.js';
import type { FilterOptions } from './proxy-options.js';

/** Errors of accept(2) that pass when others close descriptors or free memory. */
const SHORTAGES = [Errno.EMFILE, Errno.ENFILE, Errno.ENOBUFS, Errno.ENOMEM];

/** What a caller of `Listen` has asked for; the listener owns the descriptors. */
export interface RestrictedSocket {
  readonly socketFd: number;
  /** when its other end is closed, the listener and its clients end */
  readonly lifeFd: number;
  readonly options: FilterOptions;
}

/** A socket whose clients see the part of this bus that the options allow. */
export class RestrictedListener implements Endpoint {
  readonly fd: number;
  private readonly host: Host;
  private readonly life: Endpoint;
  private readonly options: FilterOptions;
  private readonly ended: () => void;
  private readonly path: string;
  private readonly inode: bigint | undefined;
  private readonly clients: ConfinedClients;

  /** @throws SystemError: the caller still owns the descriptors */
  constructor(host: Host, { socketFd, lifeFd, options }: RestrictedSocket, ended: () => void) {
    this.host = host;
    this.fd = socketFd;
    this.options = options;
    this.ended = ended;
    this.path = unixSocketPath(socketFd) ?? '';
    this.inode = inodeOf(this.path);
    this.clients = new ConfinedClients(host, () => host.poller.setReading(this.fd, true));
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
    if (this.clients.unknownCount >= this.unknownMax) {
      return this.host.poller.setReading(this.fd, false);
    }
    const fd = acceptConnection(this.fd);
    if (fd >= 0) return this.clients.serve(fd, this.options);
    if (SHORTAGES.some((errno) => errno === -fd)) this.host.entrance.lobby.runShort();
    else if (fd !== -Errno.EAGAIN && fd !== -Errno.ECONNABORTED) this.end();
  }

  end(): void {
    this.removePath();
    this.clients.end();
    this.host.entrance.removeListener(this);
    this.host.poller.close(this.life.fd);
    this.ended();
  }

  /** Removes the socket file, unless another process listens there by now, or the bus may not remove it. */
  private removePath(): void {
    if (this.inode === undefined || inodeOf(this.path) !== this.inode) return;
    try {
      rmSync(this.path, { force: true });
    } catch (error) {
      this.host.log('info', 'the socket of a sandbox could not be removed', {
        path: this.path,
        error: error instanceof Error && 'code' in error ? String(error.code) : '',
      });
    }
  }

  /** Half of max_incomplete_connections: silent clients of a sandbox leave room for those of others. */
  private get unknownMax(): number {
    return Math.max(1, this.host.limits.maxIncompleteConnections >> 1);
  }
}

/** The inode at an absolute path; undefined for any other path, and if there is no such file. */
function inodeOf(path: string): bigint | undefined {
  if (!path.startsWith('/')) return undefined;
  try {
    return lstatSync(path, { bigint: true }).ino;
  } catch {
    /* gone, or in a directory that the bus may not search */
    return undefined;
  }
}

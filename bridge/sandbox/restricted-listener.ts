import { lstatSync, rmSync } from 'node:fs';
import { acceptConnection, Errno, setNonBlocking, unixSocketPath } from '#core/linux/index.js';
import type { Host } from '#bridge/host/host.js';
import type { Endpoint } from '#bridge/host/poller.js';
import { ConfinedClients } from './confined-clients.js';
import type { FilterOptions } from './proxy-options.js';

/** accept(2): what passes when others have closed something. */
const SHORTAGES = [Errno.EMFILE, Errno.ENFILE, Errno.ENOBUFS, Errno.ENOMEM];

/** What somebody has asked for; the descriptors are the listener's. */
export interface RestrictedSocket {
  readonly socketFd: number;
  /** the end of its other side ends the listener and its clients */
  readonly lifeFd: number;
  readonly options: FilterOptions;
}

/** A socket of which each client sees the part of this bus that the options say. */
export class RestrictedListener implements Endpoint {
  readonly fd: number;
  private readonly host: Host;
  private readonly life: Endpoint;
  private readonly options: FilterOptions;
  private readonly ended: () => void;
  private readonly path: string;
  private readonly inode: bigint | undefined;
  private readonly clients: ConfinedClients;

  /** @throws SystemError: the descriptors are still the caller's */
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

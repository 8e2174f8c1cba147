import { rmSync } from 'node:fs';
import { acceptConnection, closeFd, Epoll, EPOLLIN, geteuid } from '#core/linux/index.js';
import { connectToBus } from '#bridge/socket/connect.js';
import type { ProxyOptions } from './proxy-options.js';
import { Session } from './session.js';

/** How long a slow client may still read what the bus sent before it closed the connection. */
const LINGER_MS = 1000;

/** Proxies for any number of buses, in one loop that blocks this thread. */
export class ProxyLoop {
  private readonly epoll = new Epoll();
  private readonly listeners = new Map<number, ProxyOptions>();
  /** by the descriptors of both sides */
  private readonly sessions = new Map<number, Session>();
  private readonly watched = new Set<number>();
  private endFd = -1;

  /** Serves those who connect to `fd`, a socket that listens at the path of `options`. */
  add(fd: number, options: ProxyOptions): void {
    this.listeners.set(fd, options);
    this.epoll.add(fd, EPOLLIN);
  }

  /** Runs until the other end of `endFd` is closed; without one, until a signal ends the process. */
  run(endFd: number | undefined): void {
    if (endFd !== undefined) {
      this.endFd = endFd;
      this.epoll.add(endFd, 0);
    }
    let isOver = false;
    while (!isOver) {
      const count = this.epoll.wait(this.timeoutMs());
      if (count === 0) this.retry();
      for (let i = 0; i < count; i++) {
        const fd = this.epoll.fdAt(i);
        if (fd === this.endFd) isOver = true;
        else if (this.listeners.has(fd)) this.accept(fd, this.listeners.get(fd)!);
        else this.sessions.get(fd)?.dispatch(fd);
      }
    }
    for (const { path } of this.listeners.values()) rmSync(path, { force: true });
  }

  /** -1, unless a side waits for descriptors in flight. */
  private timeoutMs(): number {
    let shortestMs = -1;
    for (const { bus, client } of this.sessions.values()) {
      for (const side of [bus, client]) {
        if (side !== undefined && side.timeoutMs >= 0) shortestMs = side.timeoutMs;
      }
    }
    return shortestMs;
  }

  private retry(): void {
    for (const [fd, session] of this.sessions) session.dispatch(fd);
  }

  private accept(listenFd: number, options: ProxyOptions): void {
    const fd = acceptConnection(listenFd);
    if (fd < 0) return;
    const bus = connectToBus(options.address);
    if (typeof bus === 'string') {
      process.stderr.write(`Failed to connect to bus: ${bus}\n`);
      return closeFd(fd);
    }
    const served = { ...options, uid: geteuid(), lingerMs: LINGER_MS };
    const session = new Session(fd, bus, served, {
      changed: (each) => this.watch(each),
      ended: (each) => this.forget(each),
    });
    this.watch(session);
  }

  private watch(session: Session): void {
    const { bus, client, wantsBus, wantsClient } = session;
    this.setWatched(bus.fd, session, wantsBus);
    if (client !== undefined) this.setWatched(client.fd, session, wantsClient);
  }

  private setWatched(fd: number, session: Session, isWanted: boolean): void {
    this.sessions.set(fd, session);
    if (isWanted === this.watched.has(fd)) return;
    if (isWanted) {
      this.watched.add(fd);
      this.epoll.add(fd, EPOLLIN);
    } else {
      this.watched.delete(fd);
      this.epoll.remove(fd);
    }
  }

  private forget({ bus, client }: Session): void {
    for (const side of [bus, client]) {
      if (side === undefined) continue;
      this.sessions.delete(side.fd);
      if (this.watched.delete(side.fd)) this.epoll.remove(side.fd);
    }
  }
}

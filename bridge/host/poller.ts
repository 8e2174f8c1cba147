import { closeFd, Epoll, EPOLLIN, EPOLLOUT } from '#core/linux/index.js';

/** Anything that epoll can wake. */
export interface Endpoint {
  readonly fd: number;
  readable(): void;
  writable?(): void;
  /** Ends it because of a fault of ours; without this the whole host ends. */
  fail?(reason: string): void;
}

/** Who is to be woken for which descriptor. */
export class Poller {
  private readonly epoll = new Epoll();
  private readonly endpoints: (Endpoint | null)[] = [];
  private readonly graveyard: number[] = [];
  /** a fault of `endpoint`, which must be dealt with or thrown on */
  private readonly onFault: (endpoint: Endpoint, error: unknown) => void;

  constructor(onFault: (endpoint: Endpoint, error: unknown) => void) {
    this.onFault = onFault;
  }

  /**
   * Sleeps until something is ready, -1: for ever, and lets each endpoint that is ready have one turn. Returns how many
   * there were.
   */
  // hot
  turn(sleepMs: number): number {
    const { epoll, endpoints } = this;
    const count = epoll.wait(sleepMs);
    for (let i = 0; i < count; i++) {
      const endpoint = endpoints[epoll.fdAt(i)];
      if (endpoint === null || endpoint === undefined) continue;
      const events = epoll.eventsAt(i);
      try {
        if ((events & EPOLLOUT) !== 0) endpoint.writable?.();
        if ((events & ~EPOLLOUT) !== 0 && endpoints[endpoint.fd] === endpoint) endpoint.readable();
      } catch (error) {
        this.onFault(endpoint, error);
      }
    }
    return count;
  }

  at(fd: number): Endpoint | null {
    return this.endpoints[fd] ?? null;
  }

  watch(endpoint: Endpoint): void {
    this.endpoints[endpoint.fd] = endpoint;
    this.epoll.add(endpoint.fd, EPOLLIN);
  }

  /** The same descriptor, somebody else's from now on. */
  replace(endpoint: Endpoint): void {
    this.endpoints[endpoint.fd] = endpoint;
  }

  /** Leaves a descriptor alone that stays open. */
  ignore(fd: number): void {
    this.endpoints[fd] = null;
    this.epoll.remove(fd);
  }

  /** What the endpoint is told of: something to read, room to write. */
  setInterest(fd: number, isReading: boolean, isWriting: boolean): void {
    this.epoll.modify(fd, (isReading ? EPOLLIN : 0) | (isWriting ? EPOLLOUT : 0));
  }

  /** Closes a descriptor; its number is not used again before the events of this turn are through. */
  close(fd: number): void {
    this.ignore(fd);
    this.graveyard.push(fd);
  }

  /** Whether the endpoint is also told when its socket takes more. */
  setWriting(fd: number, isWriting: boolean): void {
    this.epoll.modify(fd, isWriting ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }

  /** Gives back what was closed in this turn; true when that was something. */
  bury(): boolean {
    if (this.graveyard.length === 0) return false;
    for (const fd of this.graveyard) closeFd(fd);
    this.graveyard.length = 0;
    return true;
  }
}

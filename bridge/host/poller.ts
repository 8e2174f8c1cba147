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
  /** what epoll has been asked to tell of each descriptor */
  private readonly interests: (number | undefined)[] = [];
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
    this.setReading(endpoint.fd, true);
  }

  /** The same descriptor, somebody else's from now on. */
  replace(endpoint: Endpoint): void {
    this.endpoints[endpoint.fd] = endpoint;
  }

  /** Leaves a descriptor alone that stays open. */
  ignore(fd: number): void {
    this.silence(fd);
    this.endpoints[fd] = null;
  }

  /** Closes a descriptor; its number is not used again before the events of this turn are through. */
  close(fd: number): void {
    this.ignore(fd);
    this.graveyard.push(fd);
  }

  /** Whether the endpoint is told of something to read. Without that it is told of a hang-up only, again and again. */
  setReading(fd: number, isReading: boolean): void {
    this.setInterest(fd, EPOLLIN, isReading);
  }

  /** Whether the endpoint is told when its socket takes more. */
  setWriting(fd: number, isWriting: boolean): void {
    this.setInterest(fd, EPOLLOUT, isWriting);
  }

  /** The endpoint is told of nothing at all until it is interested in something again. */
  silence(fd: number): void {
    if (this.interests[fd] === undefined) return;
    this.interests[fd] = undefined;
    this.epoll.remove(fd);
  }

  /** Gives back what was closed in this turn; true when that was something. */
  bury(): boolean {
    if (this.graveyard.length === 0) return false;
    for (const fd of this.graveyard) closeFd(fd);
    this.graveyard.length = 0;
    return true;
  }

  private setInterest(fd: number, event: number, isWanted: boolean): void {
    const asked = this.interests[fd];
    const others = (asked ?? 0) & ~event;
    const events = isWanted ? others | event : others;
    /* one that was closed, or is left alone, stays so */
    if (events === (asked ?? 0) || this.endpoints[fd] === null) return;
    if (asked === undefined) this.epoll.add(fd, events);
    else this.epoll.modify(fd, events);
    this.interests[fd] = events;
  }
}

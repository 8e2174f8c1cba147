import { emptyList } from '#core/stable-shape.js';
import {
  closeFd,
  closeSocket,
  Epoll,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
} from '#core/linux/index.js';

import type { Effort } from './turn-share.js';

/** Anything that epoll can wake. */
export interface Endpoint {
  readonly fd: number;
  /** it reads until nothing is left, or asks for another turn (`Poller.again`), and is notified once of new input */
  readonly isEdgeTriggered?: boolean;
  /** @param isEnding no input follows what can be read now */
  readable(isEnding: boolean): void;
  writable?(): void;
  /** Its next share of the loop's time: after `Poller.putOff`. */
  resume?(): void;
  /** Ends it after an internal error; without this method, the error ends the whole host. */
  fail?(reason: string): void;
}

const EDGE = EPOLLET | EPOLLRDHUP;
const ENDING = EPOLLHUP | EPOLLRDHUP | EPOLLERR;

/**
 * Maps descriptors to endpoints. epoll reports descriptors in the order in which they became ready, except for
 * those that it has reported before and keeps in its ready list because it does not know that they were read: one
 * that is read, and becomes ready again after another, comes first. So clients are watched edge-triggered: a
 * reported descriptor is removed from the list (epoll(7)). Input between the report and the read puts it there once
 * more, needlessly: `isStale`.
 */
export class Poller {
  private readonly epoll = new Epoll();
  private readonly endpoints: (Endpoint | null)[] = [];
  /** the events that epoll watches for each descriptor */
  private readonly interests: (number | undefined)[] = [];
  private readonly graveyard: number[] = [];
  /** those with nothing left in them that the kernel could close */
  private readonly ended: number[] = [];
  /** endpoints that may have input left to be read */
  private unfinished = emptyList<Endpoint>();
  /** those that were accepted in this turn */
  private newcomers = emptyList<Endpoint>();
  /** those that have had their share of a turn, first those that have waited longest */
  private readonly heavy = emptyList<Endpoint>();
  /**
   * The ready list may have a descriptor whose data has been read already. Before a message is delivered to a
   * client that may act on it, `wait` and `serve` have to be called once more.
   */
  isStale = false;
  /** called with an error that `endpoint` has thrown; must handle it or rethrow it */
  private readonly onFault: (endpoint: Endpoint, error: unknown) => void;

  constructor(onFault: (endpoint: Endpoint, error: unknown) => void) {
    this.onFault = onFault;
  }

  /** Sleeps until something is ready, -1: for ever. Returns how many endpoints `serve` has to give their turn. */
  // hot
  wait(sleepMs: number): number {
    this.isStale = false;
    return this.epoll.wait(this.hasUnfinished ? 0 : sleepMs);
  }

  /** Lets the endpoints that are ready after `wait`, and those that have left something unread, have one turn each. */
  // hot
  serve(count: number): void {
    const { epoll, endpoints } = this;
    if (this.unfinished.length > 0) this.finish();
    for (let i = 0; i < count; i++) {
      const endpoint = endpoints[epoll.fdAt(i)];
      if (endpoint === null || endpoint === undefined) continue;
      const events = epoll.eventsAt(i);
      try {
        if ((events & EPOLLOUT) !== 0) endpoint.writable?.();
        if ((events & ~EPOLLOUT) !== 0 && endpoints[endpoint.fd] === endpoint)
          endpoint.readable((events & ENDING) !== 0);
      } catch (error) {
        this.onFault(endpoint, error);
      }
    }
    if (this.newcomers.length > 0) this.receive();
  }

  /**
   * Adds an edge-triggered endpoint whose socket was accepted just now. It is read once when the others of this turn
   * have been, because what a client sends first has arrived by then, and watched from then on: so epoll does not
   * report what was read.
   */
  expect(endpoint: Endpoint): void {
    this.endpoints[endpoint.fd] = endpoint;
    this.newcomers.push(endpoint);
  }

  private receive(): void {
    const { newcomers } = this;
    this.newcomers = emptyList();
    for (const endpoint of newcomers) {
      const { fd } = endpoint;
      if (this.endpoints[fd] !== endpoint) continue;
      try {
        endpoint.readable(false);
        this.setReading(fd, true);
      } catch (error) {
        /* it may have been replaced meanwhile */
        this.onFault(this.endpoints[fd] ?? endpoint, error);
      }
    }
  }

  /** Gives another turn to an edge-triggered endpoint that has left input in its socket. */
  again(endpoint: Endpoint): void {
    this.unfinished.push(endpoint);
  }

  get hasUnfinished(): boolean {
    return this.unfinished.length > 0 || this.heavy.length > 0 || this.newcomers.length > 0;
  }

  /** An endpoint has had its share: it goes on when all others have been read. */
  putOff(endpoint: Endpoint): void {
    this.heavy.push(endpoint);
  }

  /** Lets those that were put off go on: the first at any rate, and others while the turn has room for them. */
  // hot
  resume(effort: Effort): void {
    for (let left = this.heavy.length; left > 0; left--) {
      const endpoint = this.heavy.shift()!;
      try {
        if (this.endpoints[endpoint.fd] === endpoint) endpoint.resume?.();
      } catch (error) {
        this.onFault(endpoint, error);
      }
      if (effort.isTurnFull) return;
    }
  }

  private finish(): void {
    const { unfinished } = this;
    this.unfinished = emptyList();
    for (const endpoint of unfinished) {
      if (this.endpoints[endpoint.fd] !== endpoint) continue;
      try {
        endpoint.readable(false);
      } catch (error) {
        this.onFault(endpoint, error);
      }
    }
  }

  at(fd: number): Endpoint | null {
    return this.endpoints[fd] ?? null;
  }

  watch(endpoint: Endpoint): void {
    this.endpoints[endpoint.fd] = endpoint;
    this.setReading(endpoint.fd, true);
  }

  /** Replaces the endpoint of a descriptor; both are edge-triggered, so epoll's settings stay the same. */
  replace(endpoint: Endpoint): void {
    this.endpoints[endpoint.fd] = endpoint;
  }

  /** Stops watching a descriptor that stays open. */
  ignore(fd: number): void {
    this.silence(fd);
    this.endpoints[fd] = null;
  }

  /**
   * Closes a descriptor; its number is not reused before all events of this turn are processed. It is removed from
   * epoll's list first: close(2) does so only with the last descriptor for the same socket (epoll(7), "Questions and
   * answers"), and a child process that is between fork and exec has one. Otherwise its hang-up would be reported to
   * the connection that has the number by then. `hasEnded`: it was read to the end of its stream.
   */
  close(fd: number, hasEnded = false): void {
    this.ignore(fd);
    if (hasEnded) this.ended.push(fd);
    else this.graveyard.push(fd);
  }

  /** Whether the endpoint is notified of input. If not, it is notified of a hang-up only, repeatedly. */
  setReading(fd: number, isReading: boolean): void {
    this.setInterest(fd, EPOLLIN, isReading);
  }

  /** Whether the endpoint is notified when its socket can be written to. */
  setWriting(fd: number, isWriting: boolean): void {
    this.setInterest(fd, EPOLLOUT, isWriting);
  }

  /** Stops all notifications for this descriptor until one is switched on again. */
  silence(fd: number): void {
    if (this.interests[fd] === undefined) return;
    this.interests[fd] = undefined;
    this.epoll.remove(fd);
  }

  /** Closes the descriptors that were given up in this turn; returns whether there were any. */
  bury(): boolean {
    if (this.graveyard.length === 0 && this.ended.length === 0) return false;
    for (const fd of this.graveyard) closeSocket(fd);
    for (const fd of this.ended) closeFd(fd);
    this.graveyard.length = this.ended.length = 0;
    return true;
  }

  private setInterest(fd: number, event: number, isWanted: boolean): void {
    const asked = this.interests[fd];
    const others = (asked ?? 0) & ~event;
    const events = isWanted ? others | event : others;
    /* a descriptor that was closed or is ignored stays so */
    if (events === (asked ?? 0) || this.endpoints[fd] === null) return;
    const edge = this.endpoints[fd]?.isEdgeTriggered === true ? EDGE : 0;
    if (asked === undefined) this.epoll.add(fd, events | edge);
    else this.epoll.modify(fd, events | edge);
    this.interests[fd] = events;
  }
}

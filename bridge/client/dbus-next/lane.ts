import { ClientError } from '#bridge/client/errors.js';
import type { BusMessage } from './library.js';
import { keep, type Body } from './bus-message-sender.js';

/** What a lane does with its messages. */
export interface LaneEnd {
  /** False when there is no room for the message now. @throws the error of a failed send */
  send(message: BusMessage, body: Body): boolean;
  /** the message is not going to be sent */
  fail(message: BusMessage, error: unknown): void;
  /** nothing waits any more */
  empty(): void;
}

interface Item {
  readonly message: BusMessage;
  readonly body: Body;
}

/** Interval between attempts: there is no notification when a receiver has room again. */
const RETRY_MS = 1;
/** A receiver that takes nothing for this long is stuck. */
const STUCK_MS = 10_000;

/**
 * Messages to one destination that have to wait, in order: until its owner is found, or until it has room. A
 * program that uses dbus-next does not expect an error because its receiver is slow.
 */
export class Lane {
  private readonly end: LaneEnd;
  private readonly items: Item[] = [];
  private head = 0;
  private timer: NodeJS.Timeout | undefined;
  private stuckSince: number | undefined;

  constructor(end: LaneEnd) {
    this.end = end;
  }

  add(message: BusMessage, body: Body): void {
    this.items.push({ message, body: keep(body) });
  }

  /** Sends as many as there is room for, and the others as soon as there is room again. */
  flush(): void {
    for (let item = this.first; item !== undefined; item = this.first) {
      const { message, body } = item;
      try {
        if (!this.end.send(message, body)) return this.flushLater(message);
      } catch (error) {
        this.end.fail(message, error);
      }
      this.pass(item);
    }
    this.end.empty();
  }

  /** Fails all messages that still wait. */
  abandon(error: unknown): void {
    clearTimeout(this.timer);
    for (let item = this.first; item !== undefined; item = this.first) {
      this.end.fail(item.message, error);
      this.pass(item);
    }
    this.end.empty();
  }

  private get first(): Item | undefined {
    return this.items[this.head];
  }

  private pass({ body }: Item): void {
    this.head++;
    body.descriptors?.drop();
    this.stuckSince = undefined;
  }

  private flushLater({ destination = 'the bus' }: BusMessage): void {
    const now = performance.now();
    this.stuckSince ??= now;
    if (now - this.stuckSince < STUCK_MS) {
      this.timer = setTimeout(() => this.flush(), RETRY_MS);
      return;
    }
    const why = `the queue of ${destination} is full, and it does not read`;
    this.abandon(new ClientError('OverQuota', why));
  }
}

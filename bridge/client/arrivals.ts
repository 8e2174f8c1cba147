import type { Sink, Trace } from '#core/index.js';
import type {
  Arrival,
  ArrivedMessage,
  HandleContext,
  NodeContext,
  OwnHandle,
  OwnNode,
} from './contexts.js';

/** Takes the place of an item that was dealt with. */
const NOTHING: Arrival = { isReply: false, deal() {} };
/** Array slots that are kept for later arrivals. */
const KEPT_MAX = 4096;

/**
 * The sink of this process's peer: notes each arrival during the transaction that brings it, and deals with it when
 * that is over, in order.
 */
export class Arrivals implements Sink<NodeContext, HandleContext> {
  /** set while a blocking caller is going to call `deal`: nothing has to be scheduled meanwhile */
  isAttended = false;
  private readonly onFault: (error: unknown) => void;
  private readonly items: Arrival[] = [];
  /** index of the oldest item, and of the one to come */
  private head = 0;
  private tail = 0;
  private isScheduled = false;
  /** a promise was settled, and its continuations have not run yet */
  private hasSettled = false;
  private readonly dealLater = (): void => {
    this.isScheduled = false;
    this.hasSettled = false;
    this.deal();
  };

  constructor(onFault: (error: unknown) => void) {
    this.onFault = onFault;
  }

  get isEmpty(): boolean {
    return this.head === this.tail;
  }

  accept(node: OwnNode, message: ArrivedMessage, trace: Trace): void {
    try {
      node.context!.accept(message, trace);
    } catch (error) {
      this.onFault(error);
    }
  }

  nodeReleased(handle: OwnHandle): void {
    handle.context?.lost();
  }

  handleReleased(node: OwnNode): void {
    node.context?.unreachable();
  }

  // hot
  push(arrival: Arrival): void {
    this.items[this.tail++] = arrival;
    if (!this.isAttended) this.schedule();
  }

  schedule(): void {
    if (this.isScheduled || this.isEmpty) return;
    this.isScheduled = true;
    queueMicrotask(this.dealLater);
  }

  /**
   * Deals with all that has arrived. Arrivals after a reply wait for a microtask, so that the program sees a signal
   * after the reply that was sent before it; with `isBlocking` no microtask can run, and nothing waits for one.
   */
  // hot
  deal(isBlocking = false): void {
    while (this.head < this.tail) {
      const next = this.items[this.head] ?? NOTHING;
      if (next.isReply) this.hasSettled = true;
      else if (this.hasSettled && !isBlocking) return this.schedule();
      this.items[this.head++] = NOTHING;
      try {
        next.deal();
      } catch (error) {
        this.onFault(error);
      }
    }
    this.head = 0;
    this.tail = 0;
    if (this.items.length > KEPT_MAX) this.items.length = KEPT_MAX;
  }
}

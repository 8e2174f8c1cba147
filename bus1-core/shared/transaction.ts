import type { RemoteParticipant } from '../local-domain.js';
import { monotonicNs } from './clock.js';
import type { RingOutbox } from './ring-outbox.js';
import type { OwnPage } from './page.js';

/**
 * The part of a transaction that concerns other processes. For one of them the head of its ring is the point at which
 * the transaction has happened; for several it is the word on the page of this process.
 */
export class RemoteTransaction implements RemoteParticipant {
  private readonly page: OwnPage;
  private readonly outboxes: RingOutbox[] = [];
  private count = 0;

  constructor(page: OwnPage) {
    this.page = page;
  }

  /** Adds `outbox` to the transaction. */
  touch(outbox: RingOutbox): void {
    if (outbox.isTouched) return;
    outbox.isTouched = true;
    this.outboxes[this.count++] = outbox;
  }

  abandon(): void {
    for (let i = 0; i < this.count; i++) this.outboxes[i].abandonUnfinished();
  }

  publish(): void {
    if (this.count === 1) {
      this.outboxes[0].stamp(monotonicNs());
      this.outboxes[0].publish();
    } else {
      this.publishToAll();
    }
    for (let i = 0; i < this.count; i++) this.outboxes[i].finish();
    this.count = 0;
  }

  private publishToAll(): void {
    const transaction = this.page.nextTransaction;
    for (let i = 0; i < this.count; i++) {
      this.outboxes[i].number(transaction);
      this.outboxes[i].publish();
    }
    const stampNs = monotonicNs();
    this.page.commit(stampNs);
    for (let i = 0; i < this.count; i++) this.outboxes[i].stamp(stampNs);
  }
}

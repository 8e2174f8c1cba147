import { yieldProcessor } from '#core/linux/index.js';
import { Patience } from '#core/shared/index.js';

import type { HostDomain } from './host-domain.js';
import type { MemoryReturn } from './memory-return.js';
import type { Poller } from './poller.js';

/** A spin asks for the time with every so many polls: V8 allocates each answer. */
const POLLS_PER_CLOCK = 8;

/** What the thread of a host does when it has nothing to do: it spins for as long as that pays, then it sleeps. */
export class Rest {
  private readonly poller: Poller;
  private readonly memoryReturn: MemoryReturn;
  private readonly patience: Patience;

  /** `lookUs`: `Patience` */
  constructor(poller: Poller, memoryReturn: MemoryReturn, lookUs: number | undefined) {
    this.poller = poller;
    this.memoryReturn = memoryReturn;
    this.patience = new Patience(lookUs);
  }

  /** Waits until something is ready, and lets it have its turn. `peers`: through whom other processes may send, too. */
  // hot
  run(peers: HostDomain | null): void {
    if (this.spin(peers)) return;
    const { poller } = this;
    const sleepMs = this.memoryReturn.sleepMs();
    poller.serve(poller.wait(peers === null ? sleepMs : peers.sleepMs(sleepMs)));
  }

  /** Returns whether anything has arrived. */
  // hot
  private spin(peers: HostDomain | null): boolean {
    const { poller, patience } = this;
    if (patience.lookNs === 0) {
      patience.sleeping(0);
      return false;
    }
    const startMs = performance.now();
    const endMs = startMs + patience.lookNs / 1e6;
    let nowMs = startMs;
    for (let polls = 1; nowMs < endMs; polls++) {
      const count = poller.wait(0);
      if (count > 0) {
        nowMs = performance.now();
        poller.serve(count);
      }
      const caughtUp = peers === null ? 0 : peers.shared.catchUp();
      if (count > 0 || caughtUp > 0) {
        patience.rewarded((nowMs - startMs) * 1e6);
        peers?.shared.flush(true);
        return true;
      }
      yieldProcessor();
      if (peers !== null || polls % POLLS_PER_CLOCK === 0) nowMs = performance.now();
    }
    patience.sleeping((nowMs - startMs) * 1e6);
    return false;
  }
}

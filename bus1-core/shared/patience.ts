/** The longest look: a sleep and the wake-up out of it take a process and its kernel about as long. */
const LOOK_MAX_NS = 50e3;
/** A shorter look is not worth its own trouble. */
const LOOK_MIN_NS = 2e3;
/** One sleep in so many comes after a look, to learn whether that has become worth it. */
const SLEEPS_PER_TRIAL = 64;

/**
 * For how long a process looks for what comes next before it goes to sleep. To sleep and be woken costs both sides more
 * than a call does; so where messages come in quick succession it is cheaper to look once more. Where that was in vain
 * the next look is half as long, and soon there is none.
 */
export class Patience {
  /** of the look before the next sleep; 0 for none */
  lookNs = 0;
  private readonly adapts: boolean;
  private sleeps = 0;

  /** @param lookUs of every look; undefined: as experience has it */
  constructor(lookUs?: number) {
    this.adapts = lookUs === undefined;
    if (lookUs !== undefined) this.lookNs = lookUs * 1e3;
  }

  /** Something came during a look. */
  rewarded(): void {
    if (this.adapts) this.lookNs = LOOK_MAX_NS;
  }

  /** Nothing came, or there was no look: now the process sleeps. */
  sleeping(): void {
    if (!this.adapts) return;
    if (this.lookNs > LOOK_MIN_NS) this.lookNs /= 2;
    else if (this.lookNs > 0) this.lookNs = 0;
    else if (++this.sleeps % SLEEPS_PER_TRIAL === 0) this.lookNs = LOOK_MAX_NS;
  }
}

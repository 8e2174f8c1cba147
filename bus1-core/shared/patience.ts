/** The longest look: a sleep and the wake-up out of it take a process and its kernel about as long. */
const LOOK_MAX_NS = 50e3;
/** A shorter look is not worth its own trouble. */
const LOOK_MIN_NS = 2e3;
/** One sleep in so many comes after a look, to learn whether that has become worth it. */
const SLEEPS_PER_TRIAL = 64;

/** A longer look than a second is a mistake. */
const GIVEN_MAX_US = 1e6;

/**
 * What BUS1_LOOK_US says, in microseconds: how long each look is, 0 for none; undefined for as long as it pays.
 *
 * @throws RangeError
 */
export function parseLookUs(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const lookUs = Number(text);
  if (Number.isInteger(lookUs) && lookUs >= 0 && lookUs <= GIVEN_MAX_US) return lookUs;
  throw new RangeError(`BUS1_LOOK_US takes a number from 0 to ${GIVEN_MAX_US}, not "${text}"`);
}

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

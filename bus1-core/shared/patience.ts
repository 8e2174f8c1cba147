/** The longest look: a sleep and the wake-up out of it take a process and its kernel about as long. */
const LOOK_MAX_NS = 50e3;
/** A shorter look is not worth its own trouble. */
const LOOK_MIN_NS = 2e3;
/** One sleep in so many comes after a look, to learn whether that has become worth it. */
const SLEEPS_PER_TRIAL = 64;
/** The same where the last looks were interrupted: each costs others milliseconds. */
const SLEEPS_PER_TRIAL_MAX = 64 * 64;
/**
 * A look that lasts so much longer than it should was interrupted: another process has got the processor for a time
 * slice (sched(7)). What has come meanwhile would have woken a process that slept, and sooner.
 */
const LATE_NS = 200e3;

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
 * the next look is half as long, and soon there is none. On a machine with more to do than it has cores, a look gives
 * the processor away: there is none after the first that was interrupted, and ever rarer trials.
 */
export class Patience {
  /** of the look before the next sleep; 0 for none */
  lookNs = 0;
  private readonly adapts: boolean;
  private sleeps = 0;
  private sleepsPerTrial = SLEEPS_PER_TRIAL;

  /** @param lookUs of every look; undefined: as experience has it */
  constructor(lookUs?: number) {
    this.adapts = lookUs === undefined;
    if (lookUs !== undefined) this.lookNs = lookUs * 1e3;
  }

  /** Something came during a look of `lookedNs`. */
  rewarded(lookedNs: number): void {
    if (!this.adapts || this.isInterrupted(lookedNs)) return;
    this.lookNs = LOOK_MAX_NS;
    this.sleepsPerTrial = SLEEPS_PER_TRIAL;
  }

  /** Nothing came in a look of `lookedNs`, or there was none: now the process sleeps. */
  sleeping(lookedNs: number): void {
    if (!this.adapts || this.isInterrupted(lookedNs)) return;
    if (this.lookNs > LOOK_MIN_NS) this.lookNs /= 2;
    else if (this.lookNs > 0) this.lookNs = 0;
    else if (++this.sleeps >= this.sleepsPerTrial) {
      this.sleeps = 0;
      this.lookNs = LOOK_MAX_NS;
    }
  }

  private isInterrupted(lookedNs: number): boolean {
    if (lookedNs <= this.lookNs + LATE_NS) return false;
    this.lookNs = 0;
    this.sleeps = 0;
    this.sleepsPerTrial = Math.min(this.sleepsPerTrial * 4, SLEEPS_PER_TRIAL_MAX);
    return true;
  }
}

/** The longest spin: a sleep and the wake-up from it take a process and its kernel about as long. */
const LOOK_MAX_NS = 50e3;
/** A shorter spin is not worth its overhead. */
const LOOK_MIN_NS = 2e3;
/** One sleep in this many is preceded by a trial spin, to learn whether spinning has become worth it. */
const SLEEPS_PER_TRIAL = 64;
/** The most sleeps for each trial, after spins that were preempted: those cost other processes milliseconds each. */
const SLEEPS_PER_TRIAL_MAX = 64 * 64;
/**
 * A spin that lasts this much longer than intended was preempted: another process has got the processor for a time
 * slice (sched(7)). A message that came meanwhile would have woken a sleeping process, and sooner.
 */
const LATE_NS = 200e3;
/**
 * A rewarded spin saves a sleep and a wake-up, LOOK_MAX_NS. Spins go on until preempted ones have cost as much, since
 * the odd one, by a thread that compiles, say, is no sign of a busy machine. The most that is saved up is also what a
 * process begins with, when V8 compiles most: some time slices.
 */
const CREDIT_MAX_NS = 20e6;

/** A spin longer than a second is a mistake. */
const GIVEN_MAX_US = 1e6;

/**
 * The value of BUS1_LOOK_US, in microseconds: how long each spin is, 0 for none; undefined: as long as it pays.
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
 * For how long a process spins, that is, polls for input, before it sleeps. Sleeping and being woken costs both
 * sides more than a call does; so where messages come in quick succession spinning is cheaper. After a spin without
 * a result the next one is half as long, and soon there is none. On a machine with more to do than it has cores,
 * spinning takes the processor from others: as soon as preempted spins have cost what the rewarded ones have saved,
 * there is none, and trials become ever rarer.
 */
export class Patience {
  /** length of the spin before the next sleep; 0 for none */
  lookNs = 0;
  private readonly adapts: boolean;
  private sleeps = 0;
  private sleepsPerTrial = SLEEPS_PER_TRIAL;
  /** what rewarded spins have saved, less what preempted ones have cost */
  private creditNs = CREDIT_MAX_NS;

  /** @param lookUs length of every spin; undefined: adapts to experience */
  constructor(lookUs?: number) {
    this.adapts = lookUs === undefined;
    if (lookUs !== undefined) this.lookNs = lookUs * 1e3;
  }

  /** Something came during a spin of `lookedNs`. */
  rewarded(lookedNs: number): void {
    if (!this.adapts || this.isInterrupted(lookedNs)) return;
    this.lookNs = LOOK_MAX_NS;
    this.sleepsPerTrial = SLEEPS_PER_TRIAL;
    if (this.creditNs < CREDIT_MAX_NS) this.creditNs += LOOK_MAX_NS;
  }

  /** Nothing came in a spin of `lookedNs`, or there was none: now the process sleeps. */
  sleeping(lookedNs: number): void {
    if (!this.adapts || this.isInterrupted(lookedNs)) return;
    if (this.lookNs > LOOK_MIN_NS) this.lookNs >>= 1;
    else if (this.lookNs > 0) this.lookNs = 0;
    else if (++this.sleeps >= this.sleepsPerTrial) {
      this.sleeps = 0;
      this.lookNs = LOOK_MAX_NS;
    }
  }

  private isInterrupted(lookedNs: number): boolean {
    if (lookedNs <= this.lookNs + LATE_NS) return false;
    if (lookedNs <= this.creditNs) {
      this.creditNs -= Math.trunc(lookedNs);
      return true;
    }
    this.creditNs = 0;
    this.lookNs = 0;
    this.sleeps = 0;
    this.sleepsPerTrial = Math.min(this.sleepsPerTrial * 4, SLEEPS_PER_TRIAL_MAX);
    return true;
  }
}

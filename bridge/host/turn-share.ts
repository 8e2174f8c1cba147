/**
 * What a host has done for its clients, in units of about one message that is passed on. It is counted and not timed,
 * so that what a client is allowed does not depend on what else the machine does.
 */
export class Effort {
  spent = 0;
  /** number of the host's turn */
  turn = 0;
}

/**
 * What a message costs that takes more than the hot path does. The driver, the registry and errors are dear, and a
 * client that keeps them busy has less of a turn than one that sends to others.
 */
export const EffortOf = { DriverMessage: 256, Lookup: 64, Error: 64 } as const;

/**
 * A read that is full of small messages (`READ_BYTES`) fits in, each with its delivery; of messages to the driver 16
 * do, which take half a millisecond at most.
 */
const SHARE = 4096;

/**
 * One client's share of a turn. What it has sent beyond that waits for the next turn, in which all other clients have
 * theirs as well: so nobody waits longer than a few shares for a client that sends without a pause.
 */
export class TurnShare {
  private readonly effort: Effort;
  private turn = -1;
  private end = 0;

  constructor(effort: Effort) {
    this.effort = effort;
  }

  /** Begins this turn's share, unless that has been done. False: most of it is used up. */
  // hot
  open(): boolean {
    const { effort } = this;
    if (this.turn === effort.turn) return effort.spent + SHARE / 2 < this.end;
    this.turn = effort.turn;
    this.end = effort.spent + SHARE;
    return true;
  }

  // hot
  get isUsedUp(): boolean {
    const { effort } = this;
    return effort.spent >= this.end && effort.turn === this.turn;
  }
}

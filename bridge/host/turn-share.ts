/**
 * What a host has done for its clients, in units of about one message that is passed on. It is counted and not timed,
 * so that what a client is allowed does not depend on what else the machine does.
 */
export class Effort {
  /** messages from clients, deliveries to them, and what `EffortOf` says */
  spent = 0;
  /** number of the host's turn, and what had been spent before it */
  turn = 0;
  private before = 0;

  // hot
  beginTurn(): void {
    this.turn++;
    this.before = this.spent;
  }

  /** As much has been done in this turn as one client may cause. */
  get isTurnFull(): boolean {
    return this.spent - this.before >= SHARE;
  }
}

/**
 * What a message costs that takes more than the hot path does. The driver, the registry and errors are dear, and a
 * client that keeps them busy has less of a turn than one that sends to others.
 */
export const EffortOf = { DriverMessage: 256, Lookup: 64, Error: 64 } as const;

/** So many bytes (128) of a delivery count as another message: they are copied and written. */
export const BYTES_SHIFT = 7;

/**
 * A read that is full of small messages (`READ_BYTES`) fits in, each with its delivery; of messages to the driver 16
 * do, which take half a millisecond at most.
 */
const SHARE = 4096;

/**
 * One client's share of a turn. A client that has used most of it goes on when all others have been read, and only as
 * long as the turn is not full (`Poller.putOff`): nobody else waits for it, nor for many like it.
 */
export class TurnShare {
  private readonly effort: Effort;
  private turn = -1;
  private end = 0;

  constructor(effort: Effort) {
    this.effort = effort;
  }

  /** Begins this turn's share, unless that has been done. */
  // hot
  open(): void {
    const { effort } = this;
    if (this.turn === effort.turn) return;
    this.turn = effort.turn;
    this.end = effort.spent + SHARE;
  }

  // hot
  get isUsedUp(): boolean {
    const { effort } = this;
    return effort.spent >= this.end && effort.turn === this.turn;
  }

  /** Not enough is left for another read. */
  // hot
  get isMostlyUsed(): boolean {
    const { effort } = this;
    return effort.spent + SHARE / 2 >= this.end && effort.turn === this.turn;
  }
}

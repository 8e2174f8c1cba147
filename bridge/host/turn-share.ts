/** Numbers of turns stay small integers, which V8 does not allocate. */
const TURN_MASK = 2 ** 30 - 1;

/**
 * What a host has done for its clients, in units of about one message that is passed on. It is counted and not timed,
 * so that what a client is allowed does not depend on what else the machine does.
 */
export class Effort {
  /** in this turn: messages from clients, deliveries to them, and what `EffortOf` says */
  spent = 0;
  /** number of the host's turn; starts anew after `TURN_MASK` */
  turn = 0;

  // hot
  beginTurn(): void {
    this.turn = (this.turn + 1) & TURN_MASK;
    this.spent = 0;
  }

  /** As much has been done in this turn as one client may cause. */
  get isTurnFull(): boolean {
    return this.spent >= SHARE;
  }
}

/**
 * What a message costs that takes more than the hot path does: the driver, the registry and errors are dear, and so is
 * each descriptor, which takes several system calls to be closed (`closeReceived`).
 */
export const EffortOf = {
  DriverMessage: 64,
  Lookup: 24,
  Error: 24,
  Filtered: 8,
  Descriptor: 64,
} as const;

/** Such messages cost so many times as much when the client has not paused: others are not to wait for them. */
const WITHOUT_PAUSE = 4;

/** So many bytes (256) of a delivery count as another message: they are copied and written. */
export const BYTES_SHIFT = 8;

/**
 * A read that is full of small messages (`READ_BYTES`) fits in, each with its delivery. So do 64 messages to the
 * driver, as many as a program sends at its start; of a program that does not pause 16, which take half a millisecond.
 */
const SHARE = 4096;

/**
 * One client's share of a turn. A client that has used most of it goes on when all others have been read, and only as
 * long as the turn is not full (`Poller.putOff`): nobody else waits for it, nor for many like it.
 */
export class TurnShare {
  private readonly effort: Effort;
  /** the client goes on where it was put off */
  isWithoutPause = false;
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

  /** Counts a message of one of the kinds in `EffortOf`. */
  charge(effort: number): void {
    this.effort.spent += this.isWithoutPause ? effort * WITHOUT_PAUSE : effort;
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

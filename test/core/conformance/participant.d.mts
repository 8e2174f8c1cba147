/** What a participant does with a peer: the part of `PeerById` that it needs. */
export interface ParticipantPeer {
  /** number in the schedules */
  readonly index: number;
  /** `handles[k]` leads to peer k */
  readonly handles: readonly number[];
  readonly peer: {
    send(destinations: readonly number[], outgoing: { readonly data: Uint8Array[] }): unknown;
    receive(): { readonly type: number; readonly data?: Uint8Array } | undefined;
  };
}

/** What a send waits for where it waits for the one before it in its schedule, and how the next one learns of it. */
export interface Turns {
  /** also makes sure that what was committed before is there */
  isTurnOf(schedule: number, step: number): boolean;
  setTurn(schedule: number, step: number): void;
}

/** Plays the part of some peers in many schedules at once (schedules.ts), and checks what they receive. */
export class Participant {
  constructor(peers: readonly ParticipantPeer[], program: Uint8Array, sideChannel: Turns | null);
  /** what went wrong first */
  readonly failure: string | null;
  readonly received: number;
  /** whether all sends and receives that the schedules ask for are done */
  readonly hasPlayed: boolean;
  /** whether everything has been received, too */
  readonly isDone: boolean;
  /** Does what can be done now; whether that was anything. */
  advance(): boolean;
}

import type { Random } from '../random.js';

/** Peers that take part in a schedule, and the most steps that one has. */
export const PEERS = 4;
export const STEPS = 12;

/** A step is two bytes: what is done and by which peer, then the argument. */
export const STEP_BYTES = 2;
export const SCHEDULE_BYTES = STEPS * STEP_BYTES;

export const Step = {
  /** nothing more in this schedule */
  End: 0,
  /** a message to the peers whose bits are set in the argument; its label is the number of the step */
  Send: 1,
  /** receive until the message with that label has come */
  Await: 2,
  /** receive one message, of whatever schedule, if there is one */
  Take: 3,
} as const;
type Step = (typeof Step)[keyof typeof Step];

interface Action {
  readonly peer: number;
  readonly step: Step;
  readonly argument: number;
}

/** Schedules for the peers of `homes`, which says what process each is in. */
export class ScheduleWriter {
  /** what all schedules do, one after the other */
  readonly bytes: Uint8Array;
  private readonly random: Random;
  private readonly homes: readonly number[];
  private at = 0;

  constructor(schedules: number, homes: readonly number[], random: Random) {
    this.bytes = new Uint8Array(schedules * SCHEDULE_BYTES);
    this.homes = homes;
    this.random = random;
  }

  /**
   * Random sends and receives around the case that C23 is about: one peer sends to two others, the first of them sends
   * to the second when it has received that. The three are in different processes, if there are as many.
   */
  addCausal(): void {
    const [first, second, third] = this.threeApart();
    const places = this.places(3, STEPS);
    const sentTo: number[] = [];
    const awaited = [0, 0, 0, 0];
    const send = (peer: number, mask: number): Action => ({
      peer,
      step: Step.Send,
      argument: mask,
    });
    for (let i = 0; i < STEPS; i++) {
      let action: Action;
      if (i === places[0]) action = send(first, this.mask(second, third));
      else if (i === places[1]) action = { peer: second, step: Step.Await, argument: places[0] };
      else if (i === places[2]) action = send(second, this.mask(third));
      else if (this.random.chance(0.4)) action = send(this.random.below(PEERS), this.mask());
      else action = this.receive(sentTo, awaited);
      if (action.step === Step.Await) awaited[action.peer] |= 1 << action.argument;
      sentTo.push(action.step === Step.Send ? action.argument : 0);
      this.write(i, action);
    }
    this.at += SCHEDULE_BYTES;
  }

  /**
   * Two to five sends, each when the one before has been done. Two that follow each other are of different processes,
   * and go to a peer in a third.
   */
  addSideChannel(): void {
    const steps = 2 + this.random.below(4);
    const [first, second, third] = this.threeApart();
    const pair = this.random.below(steps - 1);
    for (let i = 0; i < steps; i++) {
      let peer = this.random.below(PEERS);
      if (i === pair) peer = first;
      if (i === pair + 1) peer = second;
      const mask = i === pair || i === pair + 1 ? this.mask(third) : this.mask();
      this.write(i, { peer, step: Step.Send, argument: mask });
    }
    this.at += SCHEDULE_BYTES;
  }

  private receive(sentTo: readonly number[], awaited: readonly number[]): Action {
    const peer = this.random.below(PEERS);
    const open = sentTo.flatMap((mask, label) =>
      (mask >> peer) & 1 && !((awaited[peer] >> label) & 1) ? [label] : [],
    );
    if (open.length === 0 || this.random.chance(0.3)) return { peer, step: Step.Take, argument: 0 };
    return { peer, step: Step.Await, argument: this.random.pick(open) };
  }

  /** A random set of peers, with these in it. */
  private mask(...peers: readonly number[]): number {
    const random = peers.length > 0 ? this.random.below(2 ** PEERS) : 0;
    const wanted = peers.reduce((mask, peer) => mask | (1 << peer), 0);
    return random | wanted || 1 + this.random.below(2 ** PEERS - 1);
  }

  private threeApart(): number[] {
    const peers = this.random.shuffled(this.homes.map((_, peer) => peer));
    const apart = peers.filter(
      (peer, i) => !peers.slice(0, i).some((other) => this.homes[other] === this.homes[peer]),
    );
    return apart.length >= 3 ? apart : peers;
  }

  /** `count` different numbers below `limit`, in order. */
  private places(count: number, limit: number): number[] {
    const all = this.random.shuffled(Array.from({ length: limit }, (_, i) => i));
    return all.slice(0, count).toSorted((a, b) => a - b);
  }

  private write(step: number, { peer, step: what, argument }: Action): void {
    const at = this.at + step * STEP_BYTES;
    this.bytes[at] = what | (peer << 4);
    this.bytes[at + 1] = argument;
  }
}

/** How many messages the schedules send in all, and how many of them to another process. */
export function countMessages(program: Uint8Array, homes: readonly number[]) {
  let messages = 0;
  let crossing = 0;
  for (let at = 0; at < program.length; at += STEP_BYTES) {
    if ((program[at] & 15) !== Step.Send) continue;
    for (let to = 0; to < PEERS; to++) {
      if (!((program[at + 1] >> to) & 1)) continue;
      messages++;
      if (homes[to] !== homes[program[at] >> 4]) crossing++;
    }
  }
  return { messages, crossing };
}

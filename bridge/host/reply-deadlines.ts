import type { Deadline, Deadlines } from './deadlines.js';
import type { ShimNode } from './node-contexts.js';
import { replyTimedOut } from './refusals.js';
import type { Shim } from './shim.js';

/**
 * A call that waits for its reply. Nodes are reused, IDs are not: the ID shows whether the call
 * still waits.
 */
interface Waiting {
  readonly shim: Shim;
  readonly reply: ShimNode;
  readonly id: number;
  readonly atMs: number;
}

/** Answered calls are removed from the list only when it has at least this many entries. */
const ROOM_MIN = 256;

/**
 * On a bus with a reply_timeout, the calls whose wait it will end. All wait equally long, so the
 * oldest is the first; calls that were answered in time stay in the list until it has doubled, or
 * its timer fires.
 */
export class ReplyDeadlines {
  private readonly deadlines: Deadlines;
  private waiting: Waiting[] = [];
  private room = ROOM_MIN;
  private deadline: Deadline | null = null;

  constructor(deadlines: Deadlines) {
    this.deadlines = deadlines;
  }

  /** `reply` is the node at which `shim` waits. */
  add(shim: Shim, reply: ShimNode, atMs: number): void {
    if (this.waiting.length >= this.room) this.dropAnswered();
    this.waiting.push({ shim, reply, id: reply.id, atMs });
    this.arm();
  }

  private arm(): void {
    const oldest = this.waiting[0];
    if (this.deadline !== null || oldest === undefined) return;
    this.deadline = this.deadlines.add(oldest.atMs, () => this.expire());
  }

  private expire(): void {
    this.deadline = null;
    this.dropAnswered();
    const nowMs = performance.now();
    const due = this.waiting.filter(({ atMs }) => atMs <= nowMs);
    this.waiting = this.waiting.filter(({ atMs }) => atMs > nowMs);
    for (const entry of due) if (isWaiting(entry)) replyTimedOut(entry.shim, entry.reply);
    this.arm();
  }

  private dropAnswered(): void {
    this.waiting = this.waiting.filter(isWaiting);
    this.room = Math.max(ROOM_MIN, this.waiting.length * 2);
  }
}

function isWaiting({ shim, reply, id }: Waiting): boolean {
  return shim.live && reply.live && reply.id === id && reply.owner === shim.peer;
}

import type { Maxima } from '../quota.js';
import type { Channel } from './channel.js';
import { writeCredit, writeTraceEnd, writeWindow, type EntrySink } from './control-entries.js';
import type { RingWriter } from './ring.js';
import type { IncomingTrace, IncomingTraces, OutgoingTraces } from './traces.js';

/** Fewer objects given back are not worth waking anybody for. */
const QUIET_CREDITS_MIN = 8;
/** While more messages are coming, an entry is written only for at least this many that were received, … */
const BUSY_CREDITS_MIN = 32;
/** … or for this part of what the other side may have waiting here, so that it does not run out of room. */
const BUSY_SHARE_MIN = 1 / 64;

/** What reports need of their link. */
export interface ReportingLink extends EntrySink {
  readonly channel: Channel | null;
  /** quota of a user of this process */
  readonly maxima: Maxima;
  readonly incoming: IncomingTraces;
  readonly outgoing: OutgoingTraces;
  /** a transaction of this link alone */
  post(write: () => void): void;
}

/**
 * What the other side of a link must know to check its own sends against quotas: what was given back, and what
 * others have taken.
 */
export class Reports {
  /** the other side was refused, and waits for the next report */
  isAsked = false;
  private readonly link: ReportingLink;
  private readonly credits: IncomingTrace[] = [];
  /** ring and position behind the figures that were sent last */
  private windowEnd: { readonly ring: RingWriter; readonly position: number } | null = null;
  /** objects credited without waking the other side since its current sleep began */
  private quietCredits = 0;
  private quietSince = 0;
  /** discharges since the last report */
  private creditsSince = 0;

  constructor(link: ReportingLink) {
    this.link = link;
  }

  owesCredit(trace: IncomingTrace): void {
    this.creditsSince++;
    if (trace.isOwed) return;
    trace.isOwed = true;
    this.credits.push(trace);
  }

  /** Reports what has changed. `isBusy`: only if there is much, as this is done again soon. */
  flush(isBusy: boolean): void {
    if (isBusy && !this.isAsked && !this.isMuch()) return;
    this.creditsSince = 0;
    const { channel, outgoing } = this.link;
    if (this.credits.length > 0 || outgoing.ended.length > 0) {
      this.link.post(() => this.writeCredits());
    }
    if (channel !== null) this.flushWindows(channel);
  }

  private isMuch(): boolean {
    if (this.creditsSince === 0) return false;
    if (this.creditsSince >= BUSY_CREDITS_MIN) return true;
    const { objects, bytes, descriptors } = this.link.maxima;
    for (const trace of this.credits) {
      if (trace.bytes > bytes * BUSY_SHARE_MIN) return true;
      if (trace.objects > objects * BUSY_SHARE_MIN) return true;
      if (trace.descriptors > descriptors * BUSY_SHARE_MIN) return true;
    }
    return false;
  }

  /** One set of figures at a time: a process that does not read them needs no newer ones yet, or asks for them. */
  private flushWindows({ writer }: Channel): void {
    const isUnread =
      this.windowEnd !== null && !this.windowEnd.ring.hasPassed(this.windowEnd.position);
    if (isUnread && !this.isAsked) return;
    this.windowEnd = null;
    for (const target of this.link.incoming.users.values()) {
      const window = target.report();
      if (window === undefined) continue;
      this.link.post(() => {
        this.link.outbox.isQuiet = !this.isAsked;
        writeWindow(this.link, target.user.uid, window);
      });
      this.isAsked = false;
      this.windowEnd = { ring: writer, position: writer.head };
    }
  }

  private writeCredits(): void {
    const { link, credits } = this;
    const { ended } = link.outgoing;
    link.outbox.isQuiet = !this.isAsked && !this.isWorthWaking();
    if (credits.length > 0) this.isAsked = false;
    for (const trace of credits) {
      writeCredit(link, trace.id, trace.objects, trace.bytes, trace.descriptors);
      trace.reported();
    }
    credits.length = 0;
    for (const id of ended) writeTraceEnd(link, id);
    ended.length = 0;
  }

  /** Whether the credits are worth a wake-up: not few, and as many as the traces in question still have charged. */
  private isWorthWaking(): boolean {
    const sleepWord = this.link.channel?.page.sleepWord ?? 0;
    if (sleepWord !== this.quietSince) this.quietCredits = 0;
    this.quietSince = sleepWord;
    let outstanding = 0;
    for (const { objects, target } of this.credits) {
      this.quietCredits += objects;
      outstanding += target.used[0];
    }
    if (this.quietCredits < Math.max(QUIET_CREDITS_MIN, outstanding)) return false;
    this.quietCredits = 0;
    return true;
  }
}

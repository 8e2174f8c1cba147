import type { Maxima } from '../quota.js';
import { Link, type LinkContext } from './link.js';

/** How long a refused introduction is not requested again, and how many refusals are remembered. */
const REFUSAL_MS = 1000;
const REFUSALS_MAX = 256;

/** The numbers of processes that have ended: a bit each, as they count up and none is used twice. */
class Gone {
  private words = new Uint32Array(32);

  add(process: number): void {
    const at = process >>> 5;
    if (at >= this.words.length) {
      const longer = new Uint32Array(Math.max(at + 1, this.words.length * 2));
      longer.set(this.words);
      this.words = longer;
    }
    this.words[at] = this.word(process) | (1 << (process & 31));
  }

  has(process: number): boolean {
    return (this.word(process) & (1 << (process & 31))) !== 0;
  }

  private word(process: number): number {
    return this.words[process >>> 5] ?? 0;
  }
}

/** The other processes of a domain that this one knows. */
export class Links {
  private readonly context: LinkContext;
  private readonly byProcess = new Map<number, Link>();
  private readonly gone = new Gone();
  /** when an introduction was refused, for each process whose closed link is kept for that */
  private readonly refusedAtMs = new Map<number, number>();
  /** entries written to processes that are gone */
  private sentBefore = 0;
  /** no new process can be introduced */
  private isClosed = false;

  constructor(context: LinkContext) {
    this.context = context;
  }

  get(process: number): Link | undefined {
    return this.byProcess.get(process);
  }

  /** There will be no introduction: messages to that process are dropped, for now. */
  refuse(link: Link): void {
    link.close();
    this.refusedAtMs.set(link.identity.id, performance.now());
    for (const [process, atMs] of this.refusedAtMs) {
      if (performance.now() - atMs < REFUSAL_MS && this.refusedAtMs.size <= REFUSALS_MAX) break;
      this.refusedAtMs.delete(process);
      const refused = this.byProcess.get(process);
      if (refused !== undefined && !refused.isOpen) this.remove(refused);
    }
  }

  /**
   * A refusal is valid for a while, so that it holds for the message that caused the request; a later message may
   * ask again.
   */
  isRefused(link: Link): boolean {
    if (link.isOpen || this.isClosed) return !link.isOpen;
    const atMs = this.refusedAtMs.get(link.identity.id);
    if (atMs === undefined) return true;
    if (performance.now() - atMs < REFUSAL_MS) return true;
    this.refusedAtMs.delete(link.identity.id);
    this.remove(link);
    return false;
  }

  /** Adds a link, in place of a closed one to the same process if there is any. */
  add(link: Link): void {
    const before = this.byProcess.get(link.identity.id);
    if (before !== undefined) this.remove(before);
    this.byProcess.set(link.identity.id, link);
  }

  /** Forgets a link that is over. */
  remove(link: Link): void {
    if (this.byProcess.delete(link.identity.id)) this.sentBefore += link.outbox.opened;
  }

  /** Entries written to all processes. */
  get sent(): number {
    let sent = this.sentBefore;
    for (const link of this.byProcess.values()) sent += link.outbox.opened;
    return sent;
  }

  all(): IterableIterator<Link> {
    return this.byProcess.values();
  }

  isGone(process: number): boolean {
    return this.gone.has(process);
  }

  /** That process has ended: its number will not be used again. */
  markGone(process: number): void {
    this.gone.add(process);
  }

  /** A link for use before the introduction; a closed one when there will be none. */
  placeholderFor(process: number, maxima: Maxima): Link {
    const known = this.byProcess.get(process);
    if (known !== undefined) return known;
    const nobody = { id: process, uid: -1, pid: 0, executable: '', namesAccounts: false };
    const link = new Link({ ...nobody, isTrusted: false, maxima }, this.context);
    if (this.gone.has(process) || this.isClosed) link.close();
    else this.add(link);
    return link;
  }

  /** There will be no new introductions. */
  closePlaceholders(): void {
    this.isClosed = true;
    for (const link of this.byProcess.values()) if (link.channel === null) link.close();
  }

  close(): void {
    for (const link of this.byProcess.values()) link.close();
    this.byProcess.clear();
  }
}

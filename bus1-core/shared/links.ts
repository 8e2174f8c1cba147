import type { Maxima } from '../quota.js';
import { Link, type LinkContext } from './link.js';

/** The other processes of a domain that this one has heard of. */
export class Links {
  private readonly context: LinkContext;
  private readonly byProcess = new Map<number, Link>();
  private readonly gone = new Set<number>();
  /** entries written to processes that are gone */
  private sentBefore = 0;
  /** nobody new can be met */
  private isClosed = false;

  constructor(context: LinkContext) {
    this.context = context;
  }

  get(process: number): Link | undefined {
    return this.byProcess.get(process);
  }

  /** In the place of one that is over, if there is any. */
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

  /** That process has ended: it will not come back under this number. */
  markGone(process: number): void {
    this.gone.add(process);
  }

  /** A link for use before the introduction; one that is over when there will be none. */
  placeholderFor(process: number, maxima: Maxima): Link {
    const known = this.byProcess.get(process);
    if (known !== undefined) return known;
    const nobody = { id: process, uid: -1, pid: 0, namesAccounts: false, isTrusted: false };
    const link = new Link({ ...nobody, maxima }, this.context);
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

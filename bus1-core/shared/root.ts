import type { Handle } from '../handle.js';
import type { LocalDomain } from '../local-domain.js';
import type { Peer } from '../peer.js';
import type { ChannelMessage } from './control-messages.js';
import { ReferenceFlag, ROOT_ID } from './layout.js';
import type { Link } from './link.js';

/** The node that every member of a domain gets a handle to, as one of them sees it. */
export class Root {
  private readonly local: LocalDomain;
  /** holds the handle */
  private readonly holder: Peer;
  /** the root itself, in the process that has it */
  private readonly own: Handle | undefined;
  /** the process that has it, 0 for none; -1 before that is known */
  private process = -1;
  private handle: Handle | null = null;
  /** why this process is not introduced to the one that has the root */
  refusal: string | undefined;

  constructor(local: LocalDomain, holder: Peer, own: Handle | undefined) {
    this.local = local;
    this.holder = holder;
    this.own = own;
  }

  /** The authority has announced which process has the root. */
  expectFrom(process: number): void {
    this.process = process;
  }

  /** True when there is no root, or this process has a handle to it. */
  get isSettled(): boolean {
    return this.process === 0 || this.handle?.live === true;
  }

  /** There is no introduction to `process`. */
  noteRefusal(process: number, reason: string): void {
    if (process === this.process) this.refusal = reason;
  }

  /** A handle held by `to`. @throws Error when there is no root, or not yet */
  copy<Context>(to: Peer<unknown, Context>): Handle<Context> {
    if (this.handle?.live !== true) throw new Error('the domain has no root node, or not yet');
    return this.holder.copyHandle(this.handle, to);
  }

  /** Exports or imports the root over a new channel, if the root travels on that. */
  exchange({ root }: ChannelMessage, link: Link): void {
    if (root === 'to-peer' && this.own?.live === true) {
      link.exports.addRoot(this.own.owner.copyHandle(this.own, link.ownPeer));
    } else if (root === 'from-peer') {
      this.local.begin();
      const node = link.import(ROOT_ID, ReferenceFlag.TakesDescriptors, link.identity.uid);
      this.handle = this.local.makeHandle(this.holder, node);
      this.local.commit();
    }
  }
}

import type { LocalDomain } from '../local/domain.js';
import { writeNodeRelease, writeRelease } from './control-entries.js';
import type { Export } from './exports.js';
import type { GrantTable } from './grants.js';
import {
  ASK_BYTES,
  CLAIM_BYTES,
  CLAIMED_ID,
  ClaimOffset,
  CREDIT_BYTES,
  CreditOffset,
  EntryOffset,
  EntryType,
  GRANT_BYTES,
  GrantOffset,
  NODE_RELEASE_BYTES,
  RELEASE_BYTES,
  ReleaseOffset,
  TRACE_END_BYTES,
  WINDOW_BYTES,
  WindowOffset,
} from './layout.js';
import type { Link } from './link.js';
import { ChannelError } from './protocol-error.js';

export interface InputContext {
  readonly local: LocalDomain;
  /** of this process */
  readonly id: number;
  readonly grants: GrantTable;
  /** The link to another process; undefined until this one has been introduced to it. */
  linkTo(process: number): Link | undefined;
  /** The same, for use before the introduction. */
  placeholderFor(process: number): Link;
  /** Whether something that `grantor` has granted may still come, and should be waited for. */
  awaitsGrant(grantor: number): boolean;
  noteGrant(grantor: number): void;
  /** Whether `process` can still come for what it has been granted. */
  mayClaim(process: number): boolean;
}

/** Checks and does what entries other than messages say. */
export class ControlInput {
  private readonly link: Link;
  private readonly context: InputContext;

  constructor(link: Link, context: InputContext) {
    this.link = link;
    this.context = context;
  }

  /** Whether a claim has to wait: it can overtake its grant when the grantor finds no room for that. */
  mustWait(view: DataView, at: number): boolean {
    const grantor = view.getUint32(at + ClaimOffset.Grantor, true);
    const nonce = view.getUint32(at + ClaimOffset.Nonce, true);
    const { grants } = this.context;
    return !grants.has(grantor, nonce) && this.context.awaitsGrant(grantor);
  }

  take(view: DataView, at: number, length: number, type: number): void {
    if (length !== CONTROL_BYTES[type]) {
      throw new ChannelError(`an entry of type ${type} and ${length} bytes`);
    }
    const first = view.getUint32(at + EntryOffset.Body, true);
    switch (type) {
      case EntryType.NodeRelease:
        return this.takeNodeRelease(first);
      case EntryType.Release:
        return this.giveBack(
          this.link.exports.mustGet(first),
          view.getUint32(at + ReleaseOffset.Count, true),
        );
      case EntryType.Grant:
        return this.takeGrant(
          this.link.exports.mustGet(first),
          view.getUint32(at + GrantOffset.To, true),
          view.getUint32(at + GrantOffset.Nonce, true),
        );
      case EntryType.Claim:
        return this.takeClaim(
          first,
          view.getUint32(at + ClaimOffset.Nonce, true),
          view.getUint32(at + ClaimOffset.As, true),
        );
      case EntryType.Credit:
        this.link.isAsking = false;
        return this.link.outgoing.credit(
          first,
          view.getUint32(at + CreditOffset.Objects, true),
          view.getFloat64(at + CreditOffset.Bytes, true),
          view.getUint32(at + CreditOffset.Descriptors, true),
        );
      case EntryType.Window:
        this.link.isAsking = false;
        return this.takeWindow(view, at, first);
      case EntryType.Ask:
        return this.link.asked();
      default:
        return this.link.incoming.end(first);
    }
  }

  private takeNodeRelease(id: number): void {
    const record = this.link.imports.get(id);
    if (record === undefined) return; // released here at the same time, or used up: that is on its way
    this.link.imports.delete(id);
    record.node.owner.release(record.node);
    this.link.post(() => writeRelease(this.link, id, record.references));
  }

  /** The other side needs `count` references to a node less. @throws ChannelError */
  giveBack(record: Export, count: number): void {
    if (count === 0 || count > record.references) {
      throw new ChannelError(`${count} of ${record.references} references given back`);
    }
    record.references -= count;
    if (record.references > 0) return;
    const { handle } = record;
    this.link.exports.remove(record);
    if (handle !== null && handle.live) handle.owner.release(handle);
  }

  private takeGrant(record: Export, to: number, nonce: number): void {
    this.context.noteGrant(this.link.identity.id);
    if (!this.context.mayClaim(to)) return;
    this.context.grants.add(this.link.identity.id, nonce, to, record.handle?.node ?? null);
  }

  /**
   * The claimant only repeats what the grantor has told it. So if there is no such grant that is not its fault, and it
   * gets a handle whose node is gone.
   */
  private takeClaim(grantor: number, nonce: number, as: number): void {
    const { exports, identity, ownPeer } = this.link;
    if (as < CLAIMED_ID || exports.get(as) !== undefined) {
      throw new ChannelError(`the ID ${as} cannot be used`);
    }
    const granted = this.context.grants.claim(grantor, nonce, identity.id);
    if (granted === null || !granted.live) {
      const record = exports.addNamed(as, null);
      if (record !== undefined) this.link.post(() => writeNodeRelease(this.link, record.id));
      return;
    }
    const { local } = this.context;
    local.begin();
    const { node } = granted;
    exports.addNamed(as, local.makeHandle(ownPeer, node));
    if (node.isDraining) writeNodeRelease(this.link, as);
    local.commit();
    granted.owner.release(granted);
  }

  private takeWindow(view: DataView, at: number, uid: number): void {
    const figures = [view.getUint32(at + WindowOffset.Claims, true)];
    for (let slot = 0; slot < 3; slot++) {
      figures.push(view.getFloat64(at + WindowOffset.Used + slot * 8, true));
    }
    if (!figures.every((figure) => Number.isInteger(figure) && Math.abs(figure) < 2 ** 52)) {
      throw new ChannelError('a window that is no number');
    }
    this.link.setWindow(uid, figures);
  }
}

/** Lengths of the entries that have a fixed one, by type. */
const CONTROL_BYTES: readonly number[] = (() => {
  const lengths: number[] = [];
  lengths[EntryType.NodeRelease] = NODE_RELEASE_BYTES;
  lengths[EntryType.Release] = RELEASE_BYTES;
  lengths[EntryType.Grant] = GRANT_BYTES;
  lengths[EntryType.Claim] = CLAIM_BYTES;
  lengths[EntryType.Credit] = CREDIT_BYTES;
  lengths[EntryType.Window] = WINDOW_BYTES;
  lengths[EntryType.TraceEnd] = TRACE_END_BYTES;
  lengths[EntryType.Ask] = ASK_BYTES;
  return lengths;
})();

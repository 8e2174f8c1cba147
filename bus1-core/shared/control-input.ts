import { ChannelError } from '../errors.js';
import type { LocalDomain } from '../local-domain.js';
import { SLOTS, type PerSlot } from '../quota.js';
import { writeNodeRelease, writeRelease } from './control-entries.js';
import type { Export } from './exports.js';
import type { GrantTable } from './grants.js';
import {
  CLAIMED_ID,
  CLAIMS_MAX,
  ClaimOffset,
  CreditOffset,
  EntryOffset,
  EntryType,
  GrantOffset,
  IDLE_ENTRIES_MAX,
  ReleaseOffset,
  VAIN_CLAIMS_MAX,
  WindowOffset,
} from './layout.js';
import type { Link } from './link.js';
import { ProcessRows, type UidRows } from './uid-rows.js';

export interface InputContext {
  readonly local: LocalDomain;
  /** number of this process in the domain */
  readonly id: number;
  readonly grants: GrantTable;
  /** what other processes have claimed here, and that without a grant */
  readonly claimRows: UidRows;
  readonly vainClaimRows: UidRows;
  /** The link to another process; undefined until this one has been introduced to it. */
  linkTo(process: number): Link | undefined;
  /** A link to another process for use before the introduction. */
  placeholderFor(process: number): Link;
  /** Whether something that `grantor` has granted may still come, and should be waited for. */
  awaitsGrant(grantor: number): boolean;
  noteGrant(grantor: number): void;
  /** Whether `process` can still claim what it has been granted. */
  mayClaim(process: number): boolean;
}

/** Checks and carries out entries other than messages. */
export class ControlInput {
  private readonly link: Link;
  private readonly context: InputContext;
  private idle = 0;
  private effects = 0;
  private readonly claims: ProcessRows;
  private readonly vainClaims: ProcessRows;

  constructor(link: Link, context: InputContext) {
    this.link = link;
    this.context = context;
    this.claims = new ProcessRows(context.claimRows, link.identity);
    this.vainClaims = new ProcessRows(context.vainClaimRows, link.identity);
  }

  /** Whether a claim has to wait: it can overtake its grant when the grantor finds no room for that. */
  mustWait(view: DataView, at: number): boolean {
    const grantor = view.getUint32(at + ClaimOffset.Grantor, true);
    const nonce = view.getUint32(at + ClaimOffset.Nonce, true);
    const { grants } = this.context;
    return !grants.has(grantor, nonce) && this.context.awaitsGrant(grantor);
  }

  /** Carries out an entry, whose type and length the ring's reader has checked. @throws ChannelError */
  take(view: DataView, at: number, type: number): void {
    if (this.hasEffect(view, at, type)) this.effects++;
    else this.noteIdle();
  }

  /** Limits entries without effect, which cost their sender nothing. @throws ChannelError */
  private noteIdle(): void {
    const { opened } = this.link.outbox;
    if (++this.idle <= IDLE_ENTRIES_MAX + this.effects + opened) return;
    throw new ChannelError(`it sent ${this.idle} entries that have no effect`);
  }

  private hasEffect(view: DataView, at: number, type: number): boolean {
    const first = view.getUint32(at + EntryOffset.Body, true);
    switch (type) {
      case EntryType.NodeRelease:
        return this.takeNodeRelease(first);
      case EntryType.Release:
        this.giveBack(
          this.link.exports.mustGet(first),
          view.getUint32(at + ReleaseOffset.Count, true),
        );
        return true;
      case EntryType.Grant:
        return this.takeGrant(
          this.link.exports.mustGet(first),
          view.getUint32(at + GrantOffset.To, true),
          view.getUint32(at + GrantOffset.Nonce, true),
        );
      case EntryType.Claim:
        this.takeClaim(
          first,
          view.getUint32(at + ClaimOffset.Nonce, true),
          view.getUint32(at + ClaimOffset.As, true),
        );
        return true;
      case EntryType.Credit:
        this.link.isAsking = false;
        this.link.outgoing.credit(
          first,
          view.getUint32(at + CreditOffset.Objects, true),
          view.getFloat64(at + CreditOffset.Bytes, true),
          view.getUint32(at + CreditOffset.Descriptors, true),
        );
        return true;
      case EntryType.Window:
        return this.takeWindow(view, at, first);
      case EntryType.Ask:
        return this.link.asked();
      case EntryType.TraceEnd:
        return this.link.incoming.end(first);
      default:
        throw new ChannelError(`an unexpected entry of type ${type}`);
    }
  }

  private takeNodeRelease(id: number): boolean {
    const record = this.link.imports.get(id);
    if (record === undefined) return false; // released here at the same time, or used up: that is being reported
    this.link.imports.delete(id);
    record.node.owner.release(record.node);
    this.link.post(() => writeRelease(this.link, id, record.references));
    return true;
  }

  /** The other side gives back `count` references to a node. @throws ChannelError */
  giveBack(record: Export, count: number): void {
    if (count === 0 || count > record.references) {
      throw new ChannelError(
        `it released ${count} references to a node, but held ${record.references}`,
      );
    }
    record.references -= count;
    if (record.references > 0) return;
    const { handle } = record;
    this.link.exports.remove(record);
    record.claimedIn?.give();
    if (handle !== null && handle.live) handle.owner.release(handle);
  }

  private takeGrant(record: Export, to: number, nonce: number): boolean {
    this.context.noteGrant(this.link.identity.id);
    if (!this.context.mayClaim(to)) return false;
    this.context.grants.add(this.link.identity, nonce, to, record.handle?.node ?? null);
    return true;
  }

  /**
   * The claimant only repeats what the grantor has sent to it. So if there is no such grant, that is not the
   * claimant's fault, and it gets a handle whose node is gone.
   */
  private takeClaim(grantor: number, nonce: number, as: number): void {
    const { exports, identity, ownPeer } = this.link;
    if (as < CLAIMED_ID || exports.get(as) !== undefined) {
      throw new ChannelError(`it claimed a grant under the invalid ID ${as}`);
    }
    const granted = this.context.grants.claim(grantor, nonce, identity.id);
    if (granted === null || !granted.live) {
      if (!this.vainClaims.take()) {
        throw new ChannelError(
          `its uid claims more than ${VAIN_CLAIMS_MAX} grants that do not exist`,
        );
      }
      exports.addNamed(as, null, this.vainClaims);
      this.link.post(() => writeNodeRelease(this.link, as));
      return;
    }
    if (!this.claims.take()) {
      granted.owner.release(granted);
      throw new ChannelError(`its uid holds more than ${CLAIMS_MAX} handles from third processes`);
    }
    const { local } = this.context;
    local.begin();
    const { node } = granted;
    exports.addNamed(as, local.makeHandle(ownPeer, node), this.claims);
    if (node.isDraining) writeNodeRelease(this.link, as);
    local.commit();
    granted.owner.release(granted);
  }

  close(): void {
    this.claims.giveAll();
    this.vainClaims.giveAll();
  }

  private takeWindow(view: DataView, at: number, uid: number): boolean {
    const claims = view.getUint32(at + WindowOffset.Claims, true);
    const used: PerSlot = [0, 0, 0];
    for (const slot of SLOTS) {
      used[slot] = view.getFloat64(at + WindowOffset.Used + slot * 8, true);
    }
    this.link.isAsking = false;
    if (!used.every((amount) => Number.isInteger(amount) && Math.abs(amount) < 2 ** 52)) {
      throw new ChannelError('it sent a window with an amount that is no whole number below 2^52');
    }
    return this.link.setWindow(uid, { claims, used });
  }
}

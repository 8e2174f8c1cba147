import { ChannelError } from '../errors.js';
import type { Handle } from '../handle.js';
import type { LocalDomain } from '../local-domain.js';
import type { Node } from '../node.js';
import type { Peer } from '../peer.js';
import { ResourceUser } from '../quota.js';
import type { Sink } from '../sink.js';
import { GRANTS_MAX, GRANTS_OUTLIVE_MS } from './layout.js';
import { UidRows, type RowMaker } from './uid-rows.js';

/** A handle to a node of this process that one process has granted to another, which has not claimed it yet. */
interface Grant {
  readonly from: Grantor;
  readonly nonce: number;
  readonly to: number;
  /** null once the node is gone */
  handle: Handle<Grant> | null;
}

/** A process that has granted something, and its grants by their numbers. */
interface Grantor {
  readonly process: GrantorIdentity;
  readonly grants: Map<number, Grant>;
}

/** What the table has to know of a process. */
interface GrantorIdentity extends RowMaker {
  readonly id: number;
}

/** Handles that other processes have granted to third ones: grants are announced here, and claims checked. */
export class GrantTable implements Sink<unknown, Grant> {
  /** holds what has been granted */
  readonly peer: Peer<unknown, Grant>;
  private readonly grantors = new Map<number, Grantor>();
  /** by the process that they are for */
  private readonly byGrantee = new Map<number, Set<Grant>>();
  private readonly rows = new UidRows(GRANTS_MAX);
  /**
   * When grantors have gone, the first to go first. Their last messages may still be on their way to those to whom they
   * have granted something.
   */
  private readonly departedAtMs = new Map<number, number>();

  constructor(local: LocalDomain) {
    const nobody = new ResourceUser(-1, { objects: 0, bytes: 0, descriptors: 0 });
    this.peer = local.openPeer({ user: nobody, sink: this });
  }

  accept(): void {}

  nodeReleased({ context: grant }: Handle<Grant>): void {
    if (grant !== null) grant.handle = null;
  }

  /** Keeps the handle: the grantee may have sent something before it learned of the end of the node. */
  nodeDraining(): boolean {
    return true;
  }

  handleReleased(): void {}

  /** @throws ChannelError for a nonce that is in use, or too many grants */
  add(process: GrantorIdentity, nonce: number, to: number, node: Node | null): void {
    this.departedAtMs.delete(process.id); // it is not gone, or is back
    const from = this.grantorFor(process);
    const { grants } = from;
    if (grants.has(nonce)) throw new ChannelError(`the nonce ${nonce} is in use`);
    while (this.rows.isFull(process) && this.dropDeparted(process.uid));
    if (!this.rows.take(process, grants.size)) {
      throw new ChannelError(`its uid has more than ${GRANTS_MAX} unclaimed grants`);
    }
    const grant: Grant = { from, nonce, to, handle: null };
    grants.set(nonce, grant);
    const ofGrantee = this.byGrantee.get(to);
    if (ofGrantee === undefined) this.byGrantee.set(to, new Set([grant]));
    else ofGrantee.add(grant);
    if (node === null) return;
    const { domain } = this.peer;
    domain.begin();
    grant.handle = domain.makeHandle(this.peer, node);
    grant.handle.context = grant;
    domain.commit();
  }

  private grantorFor(process: GrantorIdentity): Grantor {
    const known = this.grantors.get(process.id);
    if (known !== undefined) return known;
    const grantor: Grantor = { process, grants: new Map() };
    this.grantors.set(process.id, grantor);
    return grantor;
  }

  /**
   * The channel to `grantor` is over. What it has granted can be claimed for a while, as long as the processes of its
   * uid that are still there grant no more than there is room for.
   */
  depart(grantor: number, nowMs: number): void {
    this.departedAtMs.delete(grantor);
    if (this.grantors.has(grantor)) this.departedAtMs.set(grantor, nowMs);
    for (const [one, atMs] of this.departedAtMs) {
      if (nowMs - atMs <= GRANTS_OUTLIVE_MS) break;
      this.drop(one);
    }
  }

  /** Drops the grants of the process of `uid` that went first; false if none has gone. */
  private dropDeparted(uid: number): boolean {
    for (const grantor of this.departedAtMs.keys()) {
      if (this.grantors.get(grantor)?.process.uid !== uid) continue;
      this.drop(grantor);
      return true;
    }
    return false;
  }

  private drop(id: number): void {
    this.departedAtMs.delete(id);
    const grantor = this.grantors.get(id);
    if (grantor !== undefined) this.removeAll(grantor.grants.values());
  }

  has(grantor: number, nonce: number): boolean {
    return this.grantors.get(grantor)?.grants.has(nonce) ?? false;
  }

  /**
   * Takes out what `claimant` was granted: a handle, to be released. Null when its node is gone, when nothing was
   * granted to `claimant` under this number, and when that was claimed before.
   */
  claim(grantor: number, nonce: number, claimant: number): Handle | null {
    const grant = this.grantors.get(grantor)?.grants.get(nonce);
    if (grant === undefined || grant.to !== claimant) return null;
    this.forget(grant);
    if (grant.handle !== null) grant.handle.context = null;
    return grant.handle;
  }

  /** Drops all grants to process `to`, which will claim nothing any more. */
  revoke(to: number): void {
    this.removeAll(this.byGrantee.get(to) ?? []);
  }

  /** Like `revoke`, for all processes for which `mayClaim` is false. */
  revokeUnless(mayClaim: (process: number) => boolean): void {
    for (const to of this.byGrantee.keys()) if (!mayClaim(to)) this.revoke(to);
  }

  private removeAll(grants: Iterable<Grant>): void {
    const handles: Handle[] = [];
    for (const grant of grants) {
      this.forget(grant);
      if (grant.handle !== null) handles.push(grant.handle);
    }
    this.peer.releaseAll(handles);
  }

  private forget(grant: Grant): void {
    const { from, nonce, to } = grant;
    from.grants.delete(nonce);
    this.rows.give(from.process, 1);
    if (from.grants.size === 0) {
      this.grantors.delete(from.process.id);
      this.departedAtMs.delete(from.process.id);
    }
    const ofGrantee = this.byGrantee.get(to)!;
    ofGrantee.delete(grant);
    if (ofGrantee.size === 0) this.byGrantee.delete(to);
  }
}

import { ChannelError } from '../errors.js';
import type { Handle } from '../handle.js';
import type { LocalDomain } from '../local-domain.js';
import type { Node } from '../node.js';
import type { Peer } from '../peer.js';
import { ResourceUser } from '../quota.js';
import type { Sink } from '../sink.js';
import { GRANTS_MAX, GRANTS_OUTLIVE_MS } from './layout.js';

/** A handle to a node of this process that one process has granted to another, which has not claimed it yet. */
interface Grant {
  readonly grantor: number;
  readonly nonce: number;
  readonly to: number;
  /** null once the node is gone */
  handle: Handle<Grant> | null;
}

/** A grantor that is gone. Its last messages may still be on their way to those to whom it has granted something. */
interface Departure {
  readonly uid: number;
  readonly atMs: number;
  /** how many of its grants were unclaimed then */
  readonly grants: number;
}

/** Handles that other processes have granted to third ones: grants are announced here, and claims checked. */
export class GrantTable implements Sink<unknown, Grant> {
  /** holds what has been granted */
  readonly peer: Peer<unknown, Grant>;
  private readonly grants = new Map<number, Map<number, Grant>>();
  /** by grantor, the oldest first */
  private readonly departures = new Map<number, Departure>();
  /** by uid, the sum of the grants in `departures` */
  private readonly left = new Map<number, number>();

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
  add(grantor: number, nonce: number, to: number, node: Node | null): void {
    this.forget(grantor); // it is not gone, or is back
    let ofGrantor = this.grants.get(grantor);
    if (ofGrantor === undefined) this.grants.set(grantor, (ofGrantor = new Map()));
    if (ofGrantor.has(nonce)) throw new ChannelError(`the nonce ${nonce} is in use`);
    if (ofGrantor.size === GRANTS_MAX)
      throw new ChannelError(`more than ${GRANTS_MAX} unclaimed grants`);
    const grant: Grant = { grantor, nonce, to, handle: null };
    ofGrantor.set(nonce, grant);
    if (node === null) return;
    const { domain } = this.peer;
    domain.begin();
    grant.handle = domain.makeHandle(this.peer, node);
    grant.handle.context = grant;
    domain.commit();
  }

  /**
   * The channel to `grantor` is over. What it has granted can be claimed for a while; the processes of a uid together
   * leave no more than one that runs may have.
   */
  depart(grantor: number, uid: number, nowMs: number): void {
    this.forget(grantor);
    const grants = this.grants.get(grantor)?.size ?? 0;
    if (grants > 0) {
      this.departures.set(grantor, { uid, atMs: nowMs, grants });
      this.left.set(uid, (this.left.get(uid) ?? 0) + grants);
    }
    for (const [one, { atMs }] of this.departures) {
      if (nowMs - atMs <= GRANTS_OUTLIVE_MS) break;
      this.drop(one);
    }
    if ((this.left.get(uid) ?? 0) > GRANTS_MAX) this.dropOldestOf(uid);
  }

  private dropOldestOf(uid: number): void {
    for (const [grantor, departure] of this.departures) {
      if (departure.uid === uid) this.drop(grantor);
      if ((this.left.get(uid) ?? 0) <= GRANTS_MAX) return;
    }
  }

  private drop(grantor: number): void {
    this.forget(grantor);
    const handles: Handle[] = [];
    for (const { handle } of this.grants.get(grantor)?.values() ?? []) {
      if (handle !== null) handles.push(handle);
    }
    this.grants.delete(grantor);
    this.peer.releaseAll(handles);
  }

  /** From now on the grants of `grantor` are not those of a process that is gone. */
  private forget(grantor: number): void {
    const departure = this.departures.get(grantor);
    if (departure === undefined) return;
    const { uid, grants } = departure;
    this.departures.delete(grantor);
    const left = this.left.get(uid)! - grants;
    if (left === 0) this.left.delete(uid);
    else this.left.set(uid, left);
  }

  has(grantor: number, nonce: number): boolean {
    return this.grants.get(grantor)?.has(nonce) ?? false;
  }

  /**
   * Takes out what `claimant` was granted: a handle, to be released. Null when its node is gone, when nothing was
   * granted to `claimant` under this number, and when that was claimed before.
   */
  claim(grantor: number, nonce: number, claimant: number): Handle | null {
    const ofGrantor = this.grants.get(grantor);
    const grant = ofGrantor?.get(nonce);
    if (ofGrantor === undefined || grant === undefined || grant.to !== claimant) return null;
    ofGrantor.delete(nonce);
    if (ofGrantor.size === 0) this.grants.delete(grantor);
    if (grant.handle !== null) grant.handle.context = null;
    return grant.handle;
  }

  /** Drops all grants to process `to`, which will claim nothing any more. */
  revoke(to: number): void {
    this.revokeUnless((process) => process !== to);
  }

  /** Like `revoke`, for all processes for which `mayClaim` is false. */
  revokeUnless(mayClaim: (process: number) => boolean): void {
    const handles: Handle[] = [];
    for (const [grantor, ofGrantor] of this.grants) {
      for (const grant of ofGrantor.values()) {
        if (mayClaim(grant.to)) continue;
        ofGrantor.delete(grant.nonce);
        if (grant.handle !== null) handles.push(grant.handle);
      }
      if (ofGrantor.size === 0) this.grants.delete(grantor);
    }
    this.peer.releaseAll(handles);
  }
}

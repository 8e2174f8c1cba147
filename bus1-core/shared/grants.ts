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
  readonly grantor: number;
  readonly atMs: number;
  readonly grants: number;
  /** it has a channel to this process again */
  isBack: boolean;
}

/** The grantors of one uid that are gone, the oldest first. */
interface Departures {
  readonly list: Departure[];
  /** sum of their grants when they went */
  grants: number;
}

/** Handles that other processes have granted to third ones: grants are announced here, and claims checked. */
export class GrantTable implements Sink<unknown, Grant> {
  /** holds what has been granted */
  readonly peer: Peer<unknown, Grant>;
  private readonly grants = new Map<number, Map<number, Grant>>();
  private readonly departures = new Map<number, Departure>();
  private readonly departuresOfUid = new Map<number, Departures>();

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
    this.comeBack(grantor);
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
    const grants = this.grants.get(grantor)?.size ?? 0;
    let ofUid = this.departuresOfUid.get(uid);
    if (grants > 0) {
      if (ofUid === undefined) this.departuresOfUid.set(uid, (ofUid = { list: [], grants: 0 }));
      const departure = { grantor, atMs: nowMs, grants, isBack: false };
      this.departures.set(grantor, departure);
      ofUid.list.push(departure);
      ofUid.grants += grants;
    }
    if (ofUid !== undefined) this.dropOldest(uid, ofUid, nowMs);
  }

  private comeBack(grantor: number): void {
    const departure = this.departures.get(grantor);
    if (departure === undefined) return;
    departure.isBack = true;
    this.departures.delete(grantor);
  }

  private dropOldest(uid: number, ofUid: Departures, nowMs: number): void {
    const { list } = ofUid;
    const isTooMuch = ({ atMs }: Departure): boolean =>
      nowMs - atMs > GRANTS_OUTLIVE_MS || ofUid.grants > GRANTS_MAX;
    let dropped = 0;
    for (const departure of list) {
      if (!isTooMuch(departure)) break;
      ofUid.grants -= departure.grants;
      if (!departure.isBack) this.drop(departure.grantor);
      dropped++;
    }
    if (dropped === list.length) this.departuresOfUid.delete(uid);
    else if (dropped > 0) list.splice(0, dropped);
  }

  private drop(grantor: number): void {
    this.departures.delete(grantor);
    const handles: Handle[] = [];
    for (const { handle } of this.grants.get(grantor)?.values() ?? []) {
      if (handle !== null) handles.push(handle);
    }
    this.grants.delete(grantor);
    this.peer.release(...handles);
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
    this.peer.release(...handles);
  }
}

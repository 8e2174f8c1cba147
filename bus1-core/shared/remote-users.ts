import type { LocalDomain } from '../local-domain.js';
import type { Peer } from '../peer.js';
import { ResourceUser, Slot, SLOTS, type Maxima } from '../quota.js';
import type { Sink } from '../sink.js';
import type { Export } from './exports.js';
import type { Import } from './imports.js';
import type { Window } from './traces.js';

/** A peer that owns proxies, and holds handles for another process. */
type ProxyOwner = Peer<Import, Export>;

const SWEEP_MIN_PEERS = 64;
const NOTHING_TAKEN: Readonly<Window> = { claims: 0, used: [0, 0, 0] };

/**
 * The users of another process as far as this one knows what they have left, and for each the peers that own its
 * proxies here.
 */
export class RemoteUsers {
  private readonly local: LocalDomain;
  private readonly sink: Sink<Import, Export>;
  /** quota of a new user */
  private readonly maxima: () => Maxima;
  private readonly users = new Map<number, ResourceUser>();
  /** by uid, and by whether they take descriptors */
  private readonly peers = new Map<string, ProxyOwner>();
  /** number of peers from which on `sweep` looks for those that own nothing */
  private sweepAt = SWEEP_MIN_PEERS;
  private last: ProxyOwner | null = null;
  /** the last report about each user */
  private readonly windows = new Map<number, Window>();

  constructor(local: LocalDomain, sink: Sink<Import, Export>, maxima: () => Maxima) {
    this.local = local;
    this.sink = sink;
    this.maxima = maxima;
  }

  peerFor(uid: number, takesDescriptors: boolean): ProxyOwner {
    const { last } = this;
    if (last !== null && last.user.uid === uid && last.takesDescriptors === takesDescriptors) {
      return last;
    }
    return (this.last = this.findPeer(uid, takesDescriptors));
  }

  private findPeer(uid: number, takesDescriptors: boolean): ProxyOwner {
    const key = takesDescriptors ? `${uid}` : `${uid} without descriptors`;
    let peer = this.peers.get(key);
    if (peer === undefined) {
      peer = this.local.openPeer({ user: this.userFor(uid), sink: this.sink });
      peer.takesDescriptors = takesDescriptors;
      peer.isProxy = true;
      this.peers.set(key, peer);
    }
    return peer;
  }

  /** How much others have taken of a user. False for a user of which nothing is known here. */
  setWindow(uid: number, window: Window): boolean {
    const user = this.users.get(uid);
    if (user === undefined) return false;
    const told = this.windows.get(uid) ?? NOTHING_TAKEN;
    user.activeClaims += window.claims - told.claims;
    for (const slot of SLOTS) user.available[slot] -= window.used[slot] - told.used[slot];
    this.windows.set(uid, window);
    return true;
  }

  has(uid: number): boolean {
    return this.users.has(uid);
  }

  get size(): number {
    return this.users.size;
  }

  /** Forgets peers that own nothing, and users without charges. Must not be called during a transaction. */
  sweep(): void {
    if (this.peers.size < this.sweepAt) return;
    for (const [key, peer] of this.peers) {
      const { user } = peer;
      const isUsed = user.used(Slot.Objects) + user.used(Slot.Bytes) + user.used(Slot.Descriptors);
      if (peer.firstNode !== null || peer.firstHandle !== null || isUsed !== 0) continue;
      peer.close();
      this.peers.delete(key);
      if (!this.windows.has(user.uid)) this.users.delete(user.uid);
    }
    this.last = null;
    this.sweepAt = Math.max(SWEEP_MIN_PEERS, this.peers.size * 2);
  }

  closePeers(): void {
    for (const peer of this.peers.values()) peer.close();
  }

  /** Adds the peers, their nodes and their handles. */
  count(counts: { peers: number; nodes: number; handles: number }): void {
    for (const peer of this.peers.values()) {
      counts.peers++;
      for (let node = peer.firstNode; node !== null; node = node.nextOwned) counts.nodes++;
      for (let handle = peer.firstHandle; handle !== null; handle = handle.nextOwned) {
        counts.handles++;
      }
    }
  }

  private userFor(uid: number): ResourceUser {
    let user = this.users.get(uid);
    if (user === undefined) {
      user = new ResourceUser(uid, this.maxima());
      this.users.set(uid, user);
    }
    return user;
  }
}

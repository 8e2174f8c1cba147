/**
 * Who may use how much of whose memory: BUS1's two-level rule (`ipc/bus1/acct.rs`).
 *
 * Whatever is queued for a peer, or held by it, is charged to that peer's **user**, on behalf of the
 * **actor**: the peer that sent it, or for a broadcast the peer that it is sent for (`payer` of
 * `Peer.multicast`). Between them stands a **claim**: what one user has taken from another. An actor
 * may take half of what its user's claim has left, and a claim may take a share of what the user has
 * left that shrinks quasilinearly with the number of claimants. So one sender can neither exhaust a
 * receiver nor the other senders of its own user, however many peers it opens.
 */

/** What is counted. */
export const Slot = {
  /** messages that wait, nodes, handles */
  Objects: 0,
  /** bytes of messages that wait */
  Bytes: 1,
  /** file descriptors of messages that wait (an extension) */
  Descriptors: 2,
} as const;
export type Slot = (typeof Slot)[keyof typeof Slot];

export const SLOTS = [Slot.Objects, Slot.Bytes, Slot.Descriptors] as const;

/** A number for each `Slot`. */
export type PerSlot = [objects: number, bytes: number, descriptors: number];

/** The most that one user may have charged to it. */
export interface Maxima {
  readonly objects: number;
  readonly bytes: number;
  readonly descriptors: number;
}

/**
 * Whether an actor stays within half of what the others have left, in a room of twice `limit`: an actor alone gets
 * `limit`, and however many others there are, they never fill the room. `amount` is what it wants to take. An actor
 * that is alone may exceed the limit by its last message, as in dbus-daemon.
 */
export function isWithinShare(own: number, others: number, amount: number, limit: number): boolean {
  return others === 0 ? own <= limit : own + amount <= limit - others / 2;
}

/**
 * The share rule between users: n claimants each get about 1/(n log² n). Other processes report how many
 * claimants their users have, and may report any number.
 */
function quasilinear(claimants: number): number {
  const binaryDigits = 32 - Math.clz32(claimants);
  return (binaryDigits + 1) * (claimants + 1);
}

/** One user's resources. */
export class ResourceUser {
  readonly uid: number;
  readonly maxima: Readonly<PerSlot>;
  /** what is left in each slot */
  readonly available: PerSlot;
  /** claims that hold anything at this moment */
  activeClaims = 0;
  private readonly claims = new Map<number, Claim>();

  constructor(uid: number, maxima: Maxima) {
    this.uid = uid;
    this.maxima = [maxima.objects, maxima.bytes, maxima.descriptors];
    this.available = [...this.maxima];
  }

  /** The ledger of what `claimantUid`'s actors have charged to this user. */
  claim(claimantUid: number): Claim {
    let claim = this.claims.get(claimantUid);
    if (claim === undefined) {
      claim = new Claim(this, claimantUid);
      this.claims.set(claimantUid, claim);
    }
    return claim;
  }

  /** All claims that hold anything, for statistics. */
  *claimants(): IterableIterator<Claim> {
    for (const claim of this.claims.values()) if (claim.isActive()) yield claim;
  }

  /** How much is charged to this user in `slot`. */
  used(slot: Slot): number {
    return this.maxima[slot] - this.available[slot];
  }

  forget(claim: Claim): void {
    if (this.claims.get(claim.claimantUid) === claim) this.claims.delete(claim.claimantUid);
  }
}

/** What one user has taken from another: it stands between the user and the actors. */
export class Claim {
  readonly user: ResourceUser;
  readonly claimantUid: number;
  /** taken from the user, in each slot */
  readonly share: PerSlot = [0, 0, 0];
  /** the part of it that is not assigned to an actor */
  readonly available: PerSlot = [0, 0, 0];
  /** traces that hold anything, in each slot */
  readonly activeTraces: PerSlot = [0, 0, 0];
  traces = 0;

  constructor(user: ResourceUser, claimantUid: number) {
    this.user = user;
    this.claimantUid = claimantUid;
  }

  /** How much the actors of this claimant have charged in `slot`. */
  used(slot: Slot): number {
    return this.share[slot] - this.available[slot];
  }

  /** A new actor's trace. */
  trace(): Trace {
    this.traces++;
    return new Trace(this);
  }

  /** An actor is gone, and nothing is charged to its trace. */
  untrace(): void {
    this.traces--;
    if (this.traces === 0) this.user.forget(this);
  }

  isActive(): boolean {
    return this.share[0] > 0 || this.share[1] > 0 || this.share[2] > 0;
  }

  /** What the user would have to give for this actor to take `amount` more; -1 when it may not. */
  shortfall(slot: Slot, amount: number, traceShare: number): number {
    const needed = (amount + traceShare) * 2 - traceShare;
    const short = needed - this.available[slot];
    if (short <= 0) return 0;
    const user = this.user;
    if (user.uid === this.claimantUid) return short <= user.available[slot] ? short : -1;
    const claimants = user.activeClaims + (this.isActive() ? 0 : 1);
    const share = this.share[slot];
    const factor = quasilinear(claimants);
    return (short + share) * factor - share <= user.available[slot] ? short : -1;
  }

  take(slot: Slot, amount: number): void {
    if (amount === 0) return;
    const wasActive = this.share[slot] > 0 || this.isActive();
    this.user.available[slot] -= amount;
    this.share[slot] += amount;
    this.available[slot] += amount;
    if (!wasActive) this.user.activeClaims++;
  }

  /** Gives back what is more than an average actor's reserve. */
  giveBack(slot: Slot): void {
    const actors = this.activeTraces[slot];
    const used = this.used(slot);
    const reserve = actors <= 1 ? used : Math.floor(used / actors); // without actors nothing is used
    const surplus = this.available[slot] - reserve;
    if (surplus <= 0) return;
    this.available[slot] -= surplus;
    this.share[slot] -= surplus;
    this.user.available[slot] += surplus;
    if (this.share[slot] === 0 && !this.isActive()) this.user.activeClaims--;
  }
}

/** Notified of what is given back to a trace: a domain across processes reports it to the sender's process. */
export interface DischargeListener {
  discharged(objects: number, bytes: number, descriptors: number): void;
}

/** What one actor has charged to one user. */
export class Trace {
  readonly claim: Claim;
  readonly share: PerSlot = [0, 0, 0];
  listener: DischargeListener | null = null;
  private abandoned = false;

  constructor(claim: Claim) {
    this.claim = claim;
  }

  /** Charges all three slots, or none: false when any of them would be over quota. */
  charge(objects: number, bytes: number, descriptors: number): boolean {
    const claim = this.claim;
    const share = this.share;
    const fromObjects = objects === 0 ? 0 : claim.shortfall(Slot.Objects, objects, share[0]);
    if (fromObjects < 0) return false;
    const fromBytes = bytes === 0 ? 0 : claim.shortfall(Slot.Bytes, bytes, share[1]);
    if (fromBytes < 0) return false;
    const fromDescriptors =
      descriptors === 0 ? 0 : claim.shortfall(Slot.Descriptors, descriptors, share[2]);
    if (fromDescriptors < 0) return false;
    if (objects !== 0) this.apply(Slot.Objects, objects, fromObjects);
    if (bytes !== 0) this.apply(Slot.Bytes, bytes, fromBytes);
    if (descriptors !== 0) this.apply(Slot.Descriptors, descriptors, fromDescriptors);
    return true;
  }

  /**
   * Charges even beyond the quota: for a message that another process sent before it could know that others had
   * taken the room.
   */
  chargeAnyway(objects: number, bytes: number, descriptors: number): void {
    if (objects !== 0) this.applyAnyway(Slot.Objects, objects);
    if (bytes !== 0) this.applyAnyway(Slot.Bytes, bytes);
    if (descriptors !== 0) this.applyAnyway(Slot.Descriptors, descriptors);
  }

  /** Gives back what was charged. Amounts must have been charged before. */
  discharge(objects: number, bytes: number, descriptors: number): void {
    if (this.listener !== null) this.listener.discharged(objects, bytes, descriptors);
    if (objects !== 0) this.refund(Slot.Objects, objects);
    if (bytes !== 0) this.refund(Slot.Bytes, bytes);
    if (descriptors !== 0) this.refund(Slot.Descriptors, descriptors);
    if (this.abandoned && this.isIdle()) this.claim.untrace();
  }

  isIdle(): boolean {
    return this.share[0] === 0 && this.share[1] === 0 && this.share[2] === 0;
  }

  /** The actor is gone: the trace ends once nothing is charged to it any more. */
  abandon(): void {
    this.abandoned = true;
    if (this.isIdle()) this.claim.untrace();
  }

  /** Whether its actor is gone. */
  get isAbandoned(): boolean {
    return this.abandoned;
  }

  private applyAnyway(slot: Slot, amount: number): void {
    this.apply(slot, amount, Math.max(0, amount - this.claim.available[slot]));
  }

  private apply(slot: Slot, amount: number, fromUser: number): void {
    const claim = this.claim;
    claim.take(slot, fromUser);
    if (this.share[slot] === 0) claim.activeTraces[slot]++;
    claim.available[slot] -= amount;
    this.share[slot] += amount;
  }

  private refund(slot: Slot, amount: number): void {
    const claim = this.claim;
    this.share[slot] -= amount;
    claim.available[slot] += amount;
    if (this.share[slot] === 0) claim.activeTraces[slot]--;
    claim.giveBack(slot);
  }
}

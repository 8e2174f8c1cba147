import { ChannelError } from '../errors.js';
import {
  Slot,
  SLOTS,
  type DischargeListener,
  type PerSlot,
  type ResourceUser,
  type Trace,
} from '../quota.js';
import { TRACES_MAX } from './layout.js';
import type { RowMaker, UidRows } from './uid-rows.js';

/** By the rule a foreign uid gets no more than a quarter, however many actors it has (docs/bus1-core.md, "Quota"). */
const FOREIGN_PART = 4;

/** What a peer of this process has charged to a user of another process, until that gives it back. */
export class OutgoingTrace {
  readonly id: number;
  readonly trace: Trace;
  objects = 0;
  bytes = 0;
  descriptors = 0;

  constructor(id: number, trace: Trace) {
    this.id = id;
    this.trace = trace;
  }

  /** @throws ChannelError for more than is charged */
  credit(objects: number, bytes: number, descriptors: number): void {
    const isOwed = objects <= this.objects && bytes <= this.bytes && bytes >= 0;
    const isNothing = objects === 0 && bytes === 0 && descriptors === 0;
    if (!isOwed || isNothing || !Number.isInteger(bytes) || descriptors > this.descriptors) {
      throw new ChannelError(
        `a credit of ${objects} objects, ${bytes} bytes exceeds what was charged`,
      );
    }
    this.giveBack(objects, bytes, descriptors);
  }

  giveBack(objects: number, bytes: number, descriptors: number): void {
    this.objects -= objects;
    this.bytes -= bytes;
    this.descriptors -= descriptors;
    this.trace.discharge(objects, bytes, descriptors);
  }

  get isOver(): boolean {
    return this.trace.isAbandoned && this.objects + this.bytes + this.descriptors === 0;
  }
}

/** The traces by which this process charges one other process. */
export class OutgoingTraces {
  private readonly byTrace = new Map<Trace, OutgoingTrace>();
  private readonly byId = new Map<number, OutgoingTrace>();
  private last: OutgoingTrace | null = null;
  private lastId = 0;
  private sweepAt = 64;
  /** ended since the last report; the other side has to be notified */
  readonly ended: number[] = [];

  /** Whether one more trace can be used: the other side allows `TRACES_MAX`. */
  get hasRoom(): boolean {
    return this.byId.size < TRACES_MAX;
  }

  of(trace: Trace): OutgoingTrace {
    if (this.last !== null && this.last.trace === trace) return this.last;
    let found = this.byTrace.get(trace);
    if (found === undefined) {
      if (this.byTrace.size >= this.sweepAt) this.sweep();
      found = new OutgoingTrace(++this.lastId, trace);
      this.byTrace.set(trace, found);
      this.byId.set(found.id, found);
    }
    this.last = found;
    return found;
  }

  /** @throws ChannelError */
  credit(id: number, objects: number, bytes: number, descriptors: number): void {
    const found = this.byId.get(id);
    if (found === undefined) throw new ChannelError(`a credit for the unknown trace ${id}`);
    found.credit(objects, bytes, descriptors);
    if (found.isOver) this.end(found);
  }

  /** The other side is gone: nothing is owed any more. */
  close(): void {
    for (const trace of this.byId.values()) {
      trace.giveBack(trace.objects, trace.bytes, trace.descriptors);
    }
    this.byId.clear();
    this.byTrace.clear();
    this.last = null;
  }

  private sweep(): void {
    for (const trace of this.byId.values()) if (trace.isOver) this.end(trace);
    this.sweepAt = Math.max(64, this.byId.size * 2);
  }

  private end(trace: OutgoingTrace): void {
    this.byId.delete(trace.id);
    this.byTrace.delete(trace.trace);
    if (this.last === trace) this.last = null;
    this.ended.push(trace.id);
  }
}

/** How many others have a claim on a user, and how much they have taken, reserves included. */
export interface Window {
  claims: number;
  readonly used: PerSlot;
}

/** What one other process has charged to one user of this process. */
export class IncomingUser {
  readonly user: ResourceUser;
  readonly used: PerSlot = [0, 0, 0];
  /** given back here, and not reported: the other side cannot have used it again */
  readonly unreported: PerSlot = [0, 0, 0];
  readonly traces = new Set<IncomingTrace>();
  /** last reported to the other side */
  private readonly told: Window = { claims: 0, used: [0, 0, 0] };
  private readonly window: Window = { claims: 0, used: [0, 0, 0] };
  private seenClaims = 0;
  private readonly seenAvailable: PerSlot = [0, 0, 0];

  constructor(user: ResourceUser) {
    this.user = user;
  }

  private hasChanged(): boolean {
    const { available, activeClaims } = this.user;
    const seen = this.seenAvailable;
    let changed = this.seenClaims !== activeClaims;
    this.seenClaims = activeClaims;
    for (const slot of SLOTS) {
      changed ||= seen[slot] !== available[slot];
      seen[slot] = available[slot];
    }
    return changed;
  }

  /** What to report to the other side; undefined when nothing has changed since the last report. */
  report(): Readonly<Window> | undefined {
    if (!this.hasChanged()) return undefined;
    const { told } = this;
    const { claims, used } = this.others();
    if (told.claims === claims && SLOTS.every((slot) => told.used[slot] === used[slot])) {
      return undefined;
    }
    told.claims = claims;
    for (const slot of SLOTS) told.used[slot] = used[slot];
    return told;
  }

  private others(): Readonly<Window> {
    const { window } = this;
    const { used } = window;
    const own = new Set([...this.traces].map(({ trace }) => trace.claim));
    window.claims = this.user.activeClaims;
    for (const slot of SLOTS) used[slot] = this.user.used(slot);
    for (const claim of own) {
      let isShared = false;
      for (const slot of SLOTS) {
        const ofOthers = claim.used(slot) - this.usedOf(claim, slot);
        isShared ||= ofOthers > 0;
        used[slot] -= ofOthers > 0 ? this.usedOf(claim, slot) : claim.share[slot];
      }
      if (!isShared && claim.isActive()) window.claims--;
    }
    return window;
  }

  private usedOf(claim: Trace['claim'], slot: Slot): number {
    let sum = 0;
    for (const { trace } of this.traces) if (trace.claim === claim) sum += trace.share[slot];
    return sum;
  }
}

/** A trace of another process on a user of this one. What is given back to it is passed on as credit. */
export class IncomingTrace implements DischargeListener {
  readonly id: number;
  readonly account: number;
  readonly target: IncomingUser;
  readonly trace: Trace;
  /** given back, and not yet reported */
  objects = 0;
  bytes = 0;
  descriptors = 0;
  /** is on the list for the next report */
  isOwed = false;
  private readonly onDischarge: (trace: IncomingTrace) => void;

  constructor(
    id: number,
    account: number,
    target: IncomingUser,
    onDischarge: (trace: IncomingTrace) => void,
  ) {
    this.id = id;
    this.account = account;
    this.target = target;
    this.onDischarge = onDischarge;
    this.trace = target.user.claim(account).trace();
    this.trace.listener = this;
    target.traces.add(this);
  }

  /**
   * Charges what has arrived. The sender has applied the same rule to what it knew; where others were faster its uid
   * gets more than the rule gives, but never, over all its processes, more than it could have had alone. False when it
   * would: another process may have been faster, and the message is dropped.
   *
   * @throws ChannelError when the sender must have known that there was no room
   */
  charge(objects: number, bytes: number, descriptors: number): boolean {
    const { user, used, unreported } = this.target;
    const { maxima } = user;
    const part = user.uid === this.account ? 1 : 2;
    if (
      (used[0] + unreported[0] + objects) * part > maxima[0] ||
      (used[1] + unreported[1] + bytes) * part > maxima[1] ||
      (used[2] + unreported[2] + descriptors) * part > maxima[2]
    ) {
      throw new ChannelError(`it charged more than its share of uid ${user.uid}`);
    }
    if (!this.trace.charge(objects, bytes, descriptors)) {
      if (!this.mayOverdraw(objects, bytes, descriptors)) return false;
      this.trace.chargeAnyway(objects, bytes, descriptors);
    }
    used[0] += objects;
    used[1] += bytes;
    used[2] += descriptors;
    return true;
  }

  /** Takes back the charge of a message that was not delivered; its sender is credited by the code that discards it. */
  takeBack(objects: number, bytes: number, descriptors: number): void {
    const { used } = this.target;
    used[0] -= objects;
    used[1] -= bytes;
    used[2] -= descriptors;
    this.trace.listener = null;
    this.trace.discharge(objects, bytes, descriptors);
    this.trace.listener = this;
  }

  /** Whether all that the account has charged from anywhere is no more than its claim can be. */
  private mayOverdraw(objects: number, bytes: number, descriptors: number): boolean {
    const { claim } = this.trace;
    const { user } = claim;
    const part = user.uid === this.account ? 1 : FOREIGN_PART;
    for (const slot of SLOTS) {
      const amount = slot === Slot.Objects ? objects : slot === Slot.Bytes ? bytes : descriptors;
      if (amount === 0) continue;
      const isWithin = (claim.used(slot) + amount) * part <= user.maxima[slot];
      if (!isWithin || amount > user.available[slot] + claim.available[slot]) return false;
    }
    return true;
  }

  discharged(objects: number, bytes: number, descriptors: number): void {
    const { used, unreported } = this.target;
    used[0] -= objects;
    used[1] -= bytes;
    used[2] -= descriptors;
    unreported[0] += objects;
    unreported[1] += bytes;
    unreported[2] += descriptors;
    this.objects += objects;
    this.bytes += bytes;
    this.descriptors += descriptors;
    this.onDischarge(this);
  }

  /** What was given back has been reported to the other side. */
  reported(): void {
    const { unreported } = this.target;
    unreported[0] -= this.objects;
    unreported[1] -= this.bytes;
    unreported[2] -= this.descriptors;
    this.objects = 0;
    this.bytes = 0;
    this.descriptors = 0;
    this.isOwed = false;
  }

  /** The actor, or its whole process, is gone. */
  end(): void {
    this.trace.listener = null;
    this.trace.abandon();
    this.target.traces.delete(this);
  }
}

/** The traces by which one other process charges users of this one. */
export class IncomingTraces {
  readonly users = new Map<ResourceUser, IncomingUser>();
  private readonly byId = new Map<number, IncomingTrace>();
  private last: IncomingTrace | null = null;
  private lastUser: IncomingUser | null = null;
  private readonly onDischarge: (trace: IncomingTrace) => void;
  private readonly rows: UidRows;
  private readonly maker: () => RowMaker;

  constructor(
    onDischarge: (trace: IncomingTrace) => void,
    rows: UidRows,
    /** the other process, as far as it is known */
    maker: () => RowMaker,
  ) {
    this.onDischarge = onDischarge;
    this.rows = rows;
    this.maker = maker;
  }

  /** @throws ChannelError when the ID belongs to another account or user, or there are too many */
  of(id: number, account: number, user: ResourceUser): IncomingTrace {
    let found = this.last !== null && this.last.id === id ? this.last : this.byId.get(id);
    if (found === undefined) {
      if (!this.rows.take(this.maker(), this.byId.size)) {
        throw new ChannelError(`its uid has more than ${TRACES_MAX} traces`);
      }
      found = new IncomingTrace(id, account, this.userOf(user), this.onDischarge);
      this.byId.set(id, found);
    }
    if (found.account !== account || found.target.user !== user) {
      throw new ChannelError(`trace ${id} belongs to another account`);
    }
    this.last = found;
    return found;
  }

  /**
   * False for an unknown trace: nothing that was charged to it ever reached a live node.
   *
   * @throws ChannelError for a trace that still has something charged
   */
  end(id: number): boolean {
    const found = this.byId.get(id);
    if (found === undefined) return false;
    if (!found.trace.isIdle()) throw new ChannelError(`trace ${id} has not been given back`);
    this.byId.delete(id);
    this.rows.give(this.maker(), 1);
    if (this.last === found) this.last = null;
    found.end();
    return true;
  }

  close(): void {
    for (const trace of this.byId.values()) trace.end();
    this.rows.give(this.maker(), this.byId.size);
    this.byId.clear();
    this.last = null;
  }

  userOf(user: ResourceUser): IncomingUser {
    if (this.lastUser !== null && this.lastUser.user === user) return this.lastUser;
    let found = this.users.get(user);
    if (found === undefined) this.users.set(user, (found = new IncomingUser(user)));
    this.lastUser = found;
    return found;
  }
}

import type { LinkedChannel } from './linked-channel.js';
import { EntryType, SLICE_ENTRIES, WORK_FORGIVEN, WORK_MAX } from './layout.js';

/** How far one transaction may exceed its process's share of a run, in entries, so that it is taken whole. */
const TRANSACTION_ENTRIES_MAX = 1 << 14;

export interface MergeContext {
  /** Takes the next entry; false when the connection is blocked. May close the connection. */
  take(connection: LinkedChannel): boolean;
  /**
   * An entry was delivered: the owner may act on it before the next one. An error then is its sender's fault. Returns
   * whether that has led to work.
   */
  taken(): boolean;
  /** The other side has broken the rules: closes the connection. */
  fail(connection: LinkedChannel, error: unknown): void;
  /** While true nothing more is delivered: an introduction is under way. */
  readonly isHolding: boolean;
}

/**
 * Delivers what has arrived from all processes, in the order of stamps. Every ring is scanned twice: an entry that
 * the second scan finds may be the cause of one that the first has found, because a cause is in its ring, and
 * committed, before its effect gets a stamp. So an entry that only the second scan has found is delivered only if
 * it comes before one of the first scan. A single ring is always in order.
 */
export class Merge {
  private readonly context: MergeContext;
  private hasSwitched = false;
  private isCut = false;

  constructor(context: MergeContext) {
    this.context = context;
  }

  /**
   * Returns how many entries were delivered. A process with very many entries does not keep all others, in rings
   * and on sockets, waiting until its last one is delivered: the run ends early, and the next one goes on.
   */
  run(connections: readonly LinkedChannel[]): number {
    let count = 0;
    this.isCut = false;
    for (const connection of connections) {
      connection.sliceLeft = SLICE_ENTRIES;
      const { workLeft } = connection;
      connection.workLeft = workLeft < -WORK_MAX ? workLeft + WORK_FORGIVEN : WORK_MAX;
    }
    do {
      this.hasSwitched = false;
      count += this.runOnce(connections);
    } while (this.hasSwitched && !this.isCut);
    return count;
  }

  private runOnce(connections: readonly LinkedChannel[]): number {
    let found = false;
    for (const connection of connections) {
      connection.isBlocked = false;
      connection.stampNs = -1;
      if (this.look(connection)) found = true;
      connection.horizon = connection.channel.reader.horizon;
    }
    if (!found) return 0;
    let last: LinkedChannel | null = null;
    let filled = 0;
    for (const connection of connections) {
      if (!this.look(connection)) continue;
      last = connection;
      filled++;
    }
    const count = filled === 1 ? this.takeFrom(last!) : this.takeInOrder(connections);
    for (const connection of connections) giveRoomBack(connection);
    return count;
  }

  /** Takes entries from the only connection that has any. */
  private takeFrom(connection: LinkedChannel): number {
    const { reader, switches } = connection.channel;
    let count = 0;
    while (reader.isBefore(connection.horizon) && this.stampOf(connection) !== Infinity) {
      if (isPutOff(connection) || this.hasHadItsShare(connection)) break;
      connection.stampNs = -1;
      if (this.take(connection)) count++;
      else connection.isBlocked = true;
      if (connection.channel.switches !== switches) this.hasSwitched = true;
      if (this.context.isHolding || this.hasSwitched) break;
    }
    return count;
  }

  private takeInOrder(connections: readonly LinkedChannel[]): number {
    let count = 0;
    for (let next = this.first(connections); next !== null; next = this.first(connections)) {
      if (this.hasHadItsShare(next)) break;
      next.stampNs = -1;
      const { switches } = next.channel;
      if (this.take(next)) count++;
      else next.isBlocked = true;
      // A new ring was not scanned twice: that takes another run, at once, since it may hold the rest of a transaction.
      if (next.channel.switches !== switches) this.hasSwitched = true;
      if (this.context.isHolding || this.hasSwitched) break;
    }
    return count;
  }

  /** Whether `run` would deliver something now. */
  hasWork(connections: readonly LinkedChannel[]): boolean {
    for (const connection of connections) {
      if (connection.isBlocked || !this.look(connection)) continue;
      connection.stampNs = -1;
      if (this.stampOf(connection) !== Infinity) return true;
    }
    return false;
  }

  /** The connection with the oldest entry, as long as there is one that the first scan has found. */
  private first(connections: readonly LinkedChannel[]): LinkedChannel | null {
    let first: LinkedChannel | null = null;
    let isAnyLeft = false;
    for (const connection of connections) {
      const stampNs = this.stampOf(connection);
      if (stampNs === Infinity || isPutOff(connection)) continue;
      if (connection.channel.reader.isBefore(connection.horizon)) isAnyLeft = true;
      if (first === null || stampNs < first.stampNs) first = connection;
    }
    return isAnyLeft ? first : null;
  }

  private stampOf(connection: LinkedChannel): number {
    if (connection.isBlocked || !connection.link.isOpen) return Infinity;
    if (connection.stampNs >= 0) return connection.stampNs;
    try {
      connection.stampNs = connection.input.nextStampNs();
    } catch (error) {
      this.context.fail(connection, error);
      return Infinity;
    }
    return connection.stampNs;
  }

  private look(connection: LinkedChannel): boolean {
    if (!connection.link.isOpen) return false;
    try {
      return connection.channel.reader.look();
    } catch (error) {
      this.context.fail(connection, error);
      return false;
    }
  }

  /**
   * Whether `connection` has had its share of this run. A transaction, whose entries all have its stamp, is taken
   * whole.
   */
  private hasHadItsShare(connection: LinkedChannel): boolean {
    const { stampNs, link } = connection;
    const left = --connection.sliceLeft;
    const isSame = stampNs === connection.sliceStampNs && left > -TRANSACTION_ENTRIES_MAX;
    if (left >= 0 || isSame || link.identity.isTrusted) {
      connection.sliceStampNs = stampNs;
      return false;
    }
    this.isCut = true;
    return true;
  }

  /**
   * Entries that lead to work take many times as long as others do, and a handle in a message takes as long as one. A
   * process that has used up its share of that is not waited for: what others have sent later comes before the rest of
   * its entries.
   */
  private countWork(connection: LinkedChannel, work: number): void {
    if (!connection.link.identity.isTrusted) connection.workLeft -= work;
  }

  private take(connection: LinkedChannel): boolean {
    const { input } = connection;
    const { type } = connection.channel.reader;
    try {
      if (!this.context.take(connection)) return false;
      let work = this.context.taken() ? 1 : 0;
      /* the one that a reply is to come by is part of an ordinary call */
      if (type === EntryType.Message) work += Math.max(0, input.handleCount - 1);
      else if (type === EntryType.Grant || type === EntryType.Claim) work = 1;
      if (work > 0) this.countWork(connection, work);
      return true;
    } catch (error) {
      this.context.fail(connection, error);
      return false;
    }
  }
}

/**
 * Whether the connection, whose next stamp is known, has used up its share of work. A transaction that leads to no more
 * than another share is taken whole.
 */
function isPutOff({ workLeft, stampNs, sliceStampNs }: LinkedChannel): boolean {
  return workLeft <= 0 && (workLeft <= -WORK_MAX || stampNs !== sliceStampNs);
}

function giveRoomBack(connection: LinkedChannel): void {
  const { channel, link } = connection;
  if (link.isOpen && channel.reader.publish()) channel.ring();
}

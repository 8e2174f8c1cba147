import type { Peer } from '#core/index.js';
import type { HandleHolder, HeldHandle } from '#bridge/peer/parcel.js';
import { refuse, type Refuser } from '#bridge/peer/refusal.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Facet } from '#policy/index.js';
import type { StandInNodeContext } from './stand-in.js';

/** What a pending call needs of the stand-in at which it arrived. */
export interface ReplyHolder {
  readonly peer: Peer<StandInNodeContext>;
  owedReplies: number;
  /** A reply came, or cannot come any more. */
  replySettled(): void;
}

/** A client's call that was sent to the other bus, and the handle that its reply goes through. */
export class PendingCall implements HandleHolder {
  /** holds the reply handle */
  readonly standIn: ReplyHolder;
  readonly handle: HeldHandle;
  /** the serial that the client gave the call */
  readonly serial: number;
  /** what the policy leaves to decide about the reply */
  readonly facet: Facet | null;
  private readonly table: Map<number, PendingCall>;
  private readonly key: number;

  private constructor(
    table: Map<number, PendingCall>,
    key: number,
    standIn: ReplyHolder,
    handle: HeldHandle,
    serial: number,
    facet: Facet | null,
  ) {
    this.table = table;
    this.key = key;
    this.standIn = standIn;
    this.handle = handle;
    this.serial = serial;
    this.facet = facet;
  }

  /** Enters a call into `table` under `key`, the serial that it has on the other bus. */
  static enter(
    table: Map<number, PendingCall>,
    key: number,
    standIn: ReplyHolder,
    handle: HeldHandle,
    serial: number,
    facet: Facet | null,
  ): void {
    const call = new PendingCall(table, key, standIn, handle, serial, facet);
    handle.context = call;
    standIn.owedReplies++;
    table.set(key, call);
  }

  /** The caller no longer waits. */
  lost(): void {
    this.settle();
  }

  /** It ends with an error. */
  refuse(driver: Refuser, caller: Connection | undefined, errorName: string, text: string): void {
    refuse(driver, caller, this.handle, this.serial, errorName, text);
    this.settle();
  }

  /** It ends without a reply. */
  giveUp(): void {
    if (this.handle.live) this.standIn.peer.release(this.handle);
    this.settle();
  }

  /** The reply handle has been used, or is dead. */
  settle(): void {
    if (this.table.delete(this.key)) this.standIn.replySettled();
  }
}

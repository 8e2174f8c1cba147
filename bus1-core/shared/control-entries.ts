import { SLOTS } from '../quota.js';
import {
  ASK_BYTES,
  CLAIM_BYTES,
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
import type { RingOutbox } from './ring-outbox.js';
import type { Window } from './traces.js';

/** Where entries other than messages go: a link, inside a transaction. */
export interface EntrySink {
  readonly outbox: RingOutbox;
  /** room for an entry, at `outbox.at` */
  open(type: EntryType, lengthBytes: number): void;
}

/** The node that the other side knows as `id` is gone. */
export function writeNodeRelease(sink: EntrySink, id: number): void {
  sink.open(EntryType.NodeRelease, NODE_RELEASE_BYTES);
  sink.outbox.view.setUint32(sink.outbox.at + ReleaseOffset.Id, id, true);
}

/** Gives back `count` references to the other side's node `id`. */
export function writeRelease(sink: EntrySink, id: number, count: number): void {
  sink.open(EntryType.Release, RELEASE_BYTES);
  const { view, at } = sink.outbox;
  view.setUint32(at + ReleaseOffset.Id, id, true);
  view.setUint32(at + ReleaseOffset.Count, count, true);
}

/** Process `to` may claim, under `nonce`, a handle to the other side's node `id`. */
export function writeGrant(sink: EntrySink, id: number, to: number, nonce: number): void {
  sink.open(EntryType.Grant, GRANT_BYTES);
  const { view, at } = sink.outbox;
  view.setUint32(at + GrantOffset.Id, id, true);
  view.setUint32(at + GrantOffset.To, to, true);
  view.setUint32(at + GrantOffset.Nonce, nonce, true);
}

/** This process takes what `grantor` has granted it, and calls it `id` from now on. */
export function writeClaim(sink: EntrySink, grantor: number, nonce: number, id: number): void {
  sink.open(EntryType.Claim, CLAIM_BYTES);
  const { view, at } = sink.outbox;
  view.setUint32(at + ClaimOffset.Grantor, grantor, true);
  view.setUint32(at + ClaimOffset.Nonce, nonce, true);
  view.setUint32(at + ClaimOffset.As, id, true);
}

/** What the other side had charged to its trace `id` was given back. */
export function writeCredit(
  sink: EntrySink,
  id: number,
  objects: number,
  bytes: number,
  descriptors: number,
): void {
  sink.open(EntryType.Credit, CREDIT_BYTES);
  const { view, at } = sink.outbox;
  view.setUint32(at + CreditOffset.Trace, id, true);
  view.setUint32(at + CreditOffset.Objects, objects, true);
  view.setFloat64(at + CreditOffset.Bytes, bytes, true);
  view.setUint32(at + CreditOffset.Descriptors, descriptors, true);
}

/** What others have taken of user `uid` of this process. */
export function writeWindow(sink: EntrySink, uid: number, window: Readonly<Window>): void {
  sink.open(EntryType.Window, WINDOW_BYTES);
  const { view, at } = sink.outbox;
  view.setUint32(at + WindowOffset.Uid, uid, true);
  view.setUint32(at + WindowOffset.Claims, window.claims, true);
  for (const slot of SLOTS) {
    view.setFloat64(at + WindowOffset.Used + slot * 8, window.used[slot], true);
  }
}

/** Trace `id` of this process will not be used again. */
export function writeTraceEnd(sink: EntrySink, id: number): void {
  sink.open(EntryType.TraceEnd, TRACE_END_BYTES);
  sink.outbox.view.setUint32(sink.outbox.at + ReleaseOffset.Id, id, true);
}

/** Asks for a report as soon as the other side has more room for this process. */
export function writeAsk(sink: EntrySink): void {
  sink.open(EntryType.Ask, ASK_BYTES);
  const { view, at } = sink.outbox;
  view.setFloat64(at + EntryOffset.Body, 0, true);
}

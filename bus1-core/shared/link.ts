import type { DescriptorSet } from '../descriptors.js';
import type { Handle } from '../handle.js';
import type { LocalDomain } from '../local/domain.js';
import type { Message } from '../message.js';
import { Node } from '../node.js';
import type { Peer } from '../peer.js';
import { ResourceUser, type Maxima, type Trace } from '../quota.js';
import type { Sink } from '../sink.js';
import type { Channel } from './channel.js';
import { Export, ExportTable } from './exports.js';
import { Import } from './imports.js';
import {
  CREDIT_BYTES,
  CreditOffset,
  ENTRY_ALIGNMENT,
  EntryType,
  GRANT_BYTES,
  GrantOffset,
  MessageOffset,
  NODE_RELEASE_BYTES,
  REFERENCE_BYTES,
  ReferenceFlag,
  ReferenceKind,
  RELEASE_BYTES,
  ReleaseOffset,
  SEGMENT_MIN_BYTES,
  TRACE_END_BYTES,
  WINDOW_BYTES,
  WindowOffset,
} from './layout.js';
import { Outbox } from './outbox.js';
import type { RingWriter } from './ring.js';
import { SegmentPool, type Segment } from './segments.js';
import { IncomingTraces, OutgoingTraces, type IncomingTrace } from './traces.js';
import type { RemoteTransaction } from './transaction.js';

/** Shorter pieces are copied byte by byte: a view of part of an array costs more than that. */
const BYTEWISE_MAX = 48;

/** Fewer objects given back are not worth waking anybody for. */
const QUIET_CREDITS_MIN = 8;
/** Fewer messages received are not worth an entry while synchronous calls go to and fro. */
const BUSY_CREDITS_MIN = 32;

/** What a link needs of the domain that it is part of. */
export interface LinkContext {
  readonly local: LocalDomain;
  readonly transaction: RemoteTransaction;
  /** of a user of this process */
  readonly maxima: Maxima;
  /** has something to report when the domain has time */
  needsFlush(link: Link): void;
}

/** Who is at the other end, as the authority says. */
export interface ProcessIdentity {
  readonly id: number;
  readonly uid: number;
  readonly pid: number;
  readonly namesAccounts: boolean;
  readonly isTrusted: boolean;
  readonly maxima: Maxima;
}

/**
 * One other process, as a member of the local domain: it owns a proxy for each node of that process which is held here,
 * and holds a handle to each node which is held there. What arrives at a proxy is written to the other process.
 */
export class Link implements Sink {
  identity: ProcessIdentity;
  readonly outbox = new Outbox();
  readonly exports = new ExportTable();
  readonly imports = new Map<number, Import>();
  readonly outgoing = new OutgoingTraces();
  readonly incoming: IncomingTraces;
  readonly segments = new SegmentPool();
  channel: Channel | null = null;
  isOpen = true;
  private readonly context: LinkContext;
  private readonly users = new Map<number, ResourceUser>();
  /** owners of the proxies: for each user of the other process, by what it takes */
  private readonly peers = new Map<string, Peer>();
  private readonly credits: IncomingTrace[] = [];
  /** what this process was told last about the users of the other: claims, and use by others in each slot */
  private readonly windows = new Map<number, readonly number[]>();
  /** of the message that is being written: what its foreign handles were granted under */
  private readonly nonces: number[] = [];
  private windowEnd: { readonly ring: RingWriter; readonly position: number } | null = null;
  /** objects credited without waking the other side since it last slept as it does now */
  private quietCredits = 0;
  private quietSince = 0;
  /** discharges since the last report */
  private creditsSince = 0;
  private lastGrant = 0;
  private lastClaim = 0;

  constructor(identity: ProcessIdentity, context: LinkContext) {
    this.identity = identity;
    this.context = context;
    this.incoming = new IncomingTraces((trace) => this.owesCredit(trace));
  }

  connect(identity: ProcessIdentity, channel: Channel): void {
    this.identity = identity;
    this.channel = channel;
    this.outbox.connect(channel);
  }

  // What is done here, and concerns nodes of the other process.

  accept(node: Node, message: Message, trace: Trace): void {
    const target = node.context as Import;
    const handles = message.receivedCount;
    const outgoing = this.outgoing.of(trace);
    outgoing.objects += 1 + handles;
    outgoing.bytes += message.lengthBytes;
    outgoing.descriptors += message.descriptors === null ? 0 : message.descriptors.count;
    for (let i = 0; i < handles; i++) {
      const handle = message.received[i];
      handle.charge = null; // given back by a credit, not when this handle goes
      this.grantIfForeign(handle);
    }
    const bodyBytes = handles * REFERENCE_BYTES + message.lengthBytes;
    const segment = bodyBytes < SEGMENT_MIN_BYTES ? null : this.segments.take(bodyBytes);
    this.openMessage(bodyBytes, message.descriptors, segment);
    const { view, at } = this.outbox;
    view.setUint32(at + MessageOffset.Target, target.id, true);
    view.setUint32(at + MessageOffset.Trace, outgoing.id, true);
    view.setUint32(at + MessageOffset.Account, trace.claim.claimantUid, true);
    view.setUint32(at + MessageOffset.Handles, handles, true);
    view.setUint32(at + MessageOffset.Descriptors, message.descriptors?.count ?? 0, true);
    view.setUint32(at + MessageOffset.Bytes, message.lengthBytes, true);
    view.setUint32(at + MessageOffset.Releases, node.oneShot ? target.references : 0, true);
    if (node.oneShot) this.imports.delete(target.id);
    if (segment === null) {
      this.writeBody(view, this.outbox.bytes, at + MessageOffset.Body, message);
    } else {
      this.writeBody(segment.mapping.view, segment.mapping.bytes, 0, message);
    }
  }

  nodeReleased(handle: Handle): void {
    const record = handle.context;
    if (!(record instanceof Export)) return;
    this.exports.forgetNode(record);
    this.writeNodeRelease(record);
  }

  handleReleased(node: Node): void {
    const record = node.context as Import;
    this.imports.delete(record.id);
    this.writeRelease(record.id, record.references);
  }

  // Entries that are part of no local transaction.

  /** A transaction of this link alone. */
  post(write: () => void): void {
    if (!this.isOpen) return;
    this.context.local.begin();
    write();
    this.context.local.commit();
  }

  /** Inside a transaction. */
  writeNodeRelease(record: Export): void {
    this.open(EntryType.NodeRelease, NODE_RELEASE_BYTES);
    this.outbox.view.setUint32(this.outbox.at + ReleaseOffset.Id, record.id, true);
  }

  /** Inside a transaction. */
  writeRelease(id: number, count: number): void {
    this.open(EntryType.Release, RELEASE_BYTES);
    const { view, at } = this.outbox;
    view.setUint32(at + ReleaseOffset.Id, id, true);
    view.setUint32(at + ReleaseOffset.Count, count, true);
  }

  /** Inside a transaction. */
  writeCredit(id: number, objects: number, bytes: number, descriptors: number): void {
    this.open(EntryType.Credit, CREDIT_BYTES);
    const { view, at } = this.outbox;
    view.setUint32(at + CreditOffset.Trace, id, true);
    view.setUint32(at + CreditOffset.Objects, objects, true);
    view.setFloat64(at + CreditOffset.Bytes, bytes, true);
    view.setUint32(at + CreditOffset.Descriptors, descriptors, true);
  }

  /** Inside a transaction: room for an entry. */
  open(type: EntryType, lengthBytes: number): void {
    this.outbox.open(type, lengthBytes);
    this.touch();
  }

  /** An ID for a handle that a third process has granted to this one, on the channel to the node's owner. */
  nextClaimId(): number {
    return 0x8000_0000 + (++this.lastClaim & 0x3fff_ffff);
  }

  /**
   * Reports what was given back and what has changed, and sends what waited for room. `isBusy`: only if there
   * is much, as
   * this is done again soon.
   */
  flush(isBusy = false): void {
    this.outbox.flush();
    if (!this.isOpen || this.outbox.hasWaiting) return;
    if (isBusy && this.creditsSince < BUSY_CREDITS_MIN) return;
    this.creditsSince = 0;
    if (this.credits.length > 0 || this.outgoing.ended.length > 0) {
      this.post(() => this.writeReports());
    }
    if (this.channel !== null) this.flushWindows(this.channel);
  }

  /** One set of figures at a time: who does not read them needs no newer ones yet. */
  private flushWindows({ writer }: Channel): void {
    if (this.windowEnd !== null && !this.windowEnd.ring.hasPassed(this.windowEnd.position)) return;
    this.windowEnd = null;
    for (const target of this.incoming.users.values()) {
      if (!target.hasChanged()) continue;
      const others = target.others();
      if (others.every((figure, i) => figure === target.told[i])) continue;
      for (let i = 0; i < 4; i++) target.told[i] = others[i];
      this.post(() => this.writeWindow(target.user.uid, others));
      this.windowEnd = { ring: writer, position: writer.head };
    }
  }

  // What the other side has said.

  /** The proxy behind `id`, with one more reference; made if it is new. Inside a transaction. */
  import(id: number, flags: number, uid: number): Node {
    const known = this.imports.get(id);
    if (known !== undefined) {
      known.references++;
      return known.node;
    }
    const owner = this.peerFor(uid, (flags & ReferenceFlag.TakesDescriptors) !== 0);
    const node = this.context.local.makeNode(owner, (flags & ReferenceFlag.OneShot) !== 0);
    this.imports.set(id, new Import(this, id, node));
    return node;
  }

  /** Others have taken this much of a user of the other process. */
  setWindow(uid: number, figures: readonly number[]): void {
    const user = this.userFor(uid);
    const told = this.windows.get(uid) ?? [0, 0, 0, 0];
    user.activeClaims += figures[0] - told[0];
    for (let slot = 0; slot < 3; slot++) {
      user.available[slot] -= figures[1 + slot] - told[1 + slot];
    }
    this.windows.set(uid, [...figures]);
  }

  /** The other process is gone, or is treated as if: nodes first, then handles, as for any closing peer. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.outbox.close();
    this.segments.close();
    for (const peer of this.peers.values()) peer.close();
    this.outgoing.close();
    this.incoming.close();
    this.imports.clear();
    this.channel?.close();
    this.channel = null;
  }

  /** Peers, nodes and handles of the local domain that are there because of this link. */
  count(counts: { peers: number; nodes: number; handles: number }): void {
    for (const peer of this.peers.values()) {
      counts.peers++;
      for (let node = peer.firstNode; node !== null; node = node.nextOwned) counts.nodes++;
      for (let handle = peer.firstHandle; handle !== null; handle = handle.nextOwned) {
        counts.handles++;
      }
    }
  }

  /** Stands for all users of the other process: the owner of what belongs to none of them. */
  get ownPeer(): Peer {
    return this.peerFor(this.identity.uid, true);
  }

  private peerFor(uid: number, takesDescriptors: boolean): Peer {
    const key = takesDescriptors ? `${uid}` : `${uid} without descriptors`;
    let peer = this.peers.get(key);
    if (peer === undefined) {
      peer = this.context.local.openPeer({ user: this.userFor(uid), sink: this });
      peer.takesDescriptors = takesDescriptors;
      this.peers.set(key, peer);
    }
    return peer;
  }

  private userFor(uid: number): ResourceUser {
    let user = this.users.get(uid);
    if (user === undefined) {
      user = new ResourceUser(uid, this.maxima);
      this.users.set(uid, user);
    }
    return user;
  }

  /** As much as the other process takes for one of its users, but no more than this one wants to keep for it. */
  private get maxima(): Maxima {
    const theirs = this.identity.maxima;
    const own = this.context.maxima;
    return {
      objects: Math.min(theirs.objects, own.objects),
      bytes: Math.min(theirs.bytes, own.bytes),
      descriptors: Math.min(theirs.descriptors, own.descriptors),
    };
  }

  private touch(): void {
    this.context.local.hasRemoteEntries = true;
    this.context.transaction.touch(this.outbox);
  }

  private openMessage(
    bodyBytes: number,
    descriptors: DescriptorSet | null,
    segment: Segment | null,
  ): void {
    const carried = descriptors === null || descriptors.count === 0 ? null : descriptors;
    const comesWith = segment !== null && segment.fd >= 0 ? segment.mapping.length : 0;
    const inlineBytes = segment === null ? bodyBytes : 0;
    const length = (MessageOffset.Body + inlineBytes + ENTRY_ALIGNMENT - 1) & -ENTRY_ALIGNMENT;
    this.outbox.open(EntryType.Message, length, carried, segment);
    this.touch();
    const { view, at } = this.outbox;
    view.setUint32(at + MessageOffset.Segment, segment === null ? 0 : segment.id, true);
    view.setUint32(at + MessageOffset.SegmentBytes, comesWith, true);
  }

  /** A node of a third process: that is told first, so that it never looks unreferenced. */
  private grantIfForeign(handle: Handle): void {
    const { node } = handle;
    const record = node.context;
    if (!node.live || !(record instanceof Import) || record.link === this) return;
    const nonce = ++record.link.lastGrant >>> 0;
    record.link.open(EntryType.Grant, GRANT_BYTES);
    const { view, at } = record.link.outbox;
    view.setUint32(at + GrantOffset.Id, record.id, true);
    view.setUint32(at + GrantOffset.To, this.identity.id, true);
    view.setUint32(at + GrantOffset.Nonce, nonce, true);
    this.nonces.push(nonce);
  }

  private writeBody(view: DataView, bytes: Uint8Array, start: number, message: Message): void {
    let at = start;
    let grant = 0;
    for (let i = 0; i < message.receivedCount; i++) {
      const handle = message.received[i];
      const record = handle.node.context;
      if (handle.node.live && record instanceof Import) {
        const isHome = record.link === this;
        const id = isHome ? record.id : this.nonces[grant++];
        this.writeReference(view, at, isHome ? ReferenceKind.Receiver : ReferenceKind.Third, id);
        this.writeOwner(view, at, handle.node, record.link.identity.id);
        this.context.local.endHandle(handle);
      } else {
        this.writeReference(view, at, ReferenceKind.Sender, this.export(handle));
        this.writeOwner(view, at, handle.node, 0);
      }
      at += REFERENCE_BYTES;
    }
    this.nonces.length = 0;
    for (let i = 0; i < message.pieceCount; i++) {
      const length = message.lengths[i];
      copyPiece(message.pieces[i], message.offsets[i], length, bytes, at);
      at += length;
    }
  }

  private writeReference(view: DataView, at: number, kind: number, id: number): void {
    view.setUint32(at, kind, true);
    view.setUint32(at + 4, id, true);
  }

  private writeOwner(view: DataView, at: number, node: Node, process: number): void {
    const flags =
      (node.oneShot ? ReferenceFlag.OneShot : 0) |
      (node.owner.takesDescriptors ? ReferenceFlag.TakesDescriptors : 0);
    view.setUint32(at, view.getUint32(at, true) | flags, true);
    view.setUint32(at + 8, node.owner.user.uid, true);
    view.setUint32(at + 12, process, true);
  }

  /** The ID under which the other side knows the node behind `handle`, a handle of this link. */
  private export(handle: Handle): number {
    const known = handle.node.oneShot ? undefined : this.exports.find(handle.node);
    if (known !== undefined && handle.node.live) {
      known.references++;
      this.context.local.endHandle(handle);
      return known.id;
    }
    this.incoming.userOf(handle.node.owner.user); // whose window the other side has to know from now on
    const record = this.exports.add(handle);
    if (record === undefined) throw new Error('one process holds a million nodes of another');
    return record.id;
  }

  private owesCredit(trace: IncomingTrace): void {
    if (!this.isOpen) return;
    this.creditsSince++;
    if (!this.credits.includes(trace)) this.credits.push(trace);
    this.context.needsFlush(this);
  }

  private writeReports(): void {
    this.outbox.isQuiet = !this.isWorthWaking();
    for (const trace of this.credits) {
      this.writeCredit(trace.id, trace.objects, trace.bytes, trace.descriptors);
      trace.objects = 0;
      trace.bytes = 0;
      trace.descriptors = 0;
    }
    this.credits.length = 0;
    for (const id of this.outgoing.ended) {
      this.open(EntryType.TraceEnd, TRACE_END_BYTES);
      this.outbox.view.setUint32(this.outbox.at + ReleaseOffset.Id, id, true);
    }
    this.outgoing.ended.length = 0;
  }

  /** Only a sleeper that has got back as much as it is still waiting for, and not just a little. */
  private isWorthWaking(): boolean {
    const sleepWord = this.channel?.page.sleepWord ?? 0;
    if (sleepWord !== this.quietSince) this.quietCredits = 0;
    this.quietSince = sleepWord;
    let outstanding = 0;
    for (const { objects, target } of this.credits) {
      this.quietCredits += objects;
      outstanding += target.used[0];
    }
    if (this.quietCredits < Math.max(QUIET_CREDITS_MIN, outstanding)) return false;
    this.quietCredits = 0;
    return true;
  }

  private writeWindow(uid: number, figures: readonly number[]): void {
    this.outbox.isQuiet = true;
    this.open(EntryType.Window, WINDOW_BYTES);
    const { view, at } = this.outbox;
    view.setUint32(at + WindowOffset.Uid, uid, true);
    view.setUint32(at + WindowOffset.Claims, figures[0], true);
    for (let slot = 0; slot < 3; slot++) {
      view.setFloat64(at + WindowOffset.Used + slot * 8, figures[1 + slot], true);
    }
  }
}

function copyPiece(
  piece: Uint8Array,
  offset: number,
  length: number,
  into: Uint8Array,
  at: number,
): void {
  if (length <= BYTEWISE_MAX) {
    for (let i = 0; i < length; i++) into[at + i] = piece[offset + i];
  } else if (offset === 0 && length === piece.length) {
    into.set(piece, at);
  } else {
    into.set(piece.subarray(offset, offset + length), at);
  }
}

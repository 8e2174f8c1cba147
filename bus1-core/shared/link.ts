import type { DescriptorSet } from '../descriptors.js';
import { ChannelError } from '../errors.js';
import type { Handle } from '../handle.js';
import type { LocalDomain } from '../local-domain.js';
import type { Message } from '../message.js';
import type { Node } from '../node.js';
import type { Peer } from '../peer.js';
import type { Maxima, Trace } from '../quota.js';
import type { Sink } from '../sink.js';
import type { Channel } from './channel.js';
import { writeAsk, writeNodeRelease, writeRelease, type EntrySink } from './control-entries.js';
import type { ProcessDescription } from './control-messages.js';
import { ExportTable, type Export } from './exports.js';
import { Import, ImportTable } from './imports.js';
import {
  CLAIMED_ID,
  EntryType,
  HANDLES_MAX,
  REFERENCE_BYTES,
  ReferenceFlag,
  USERS_MAX,
} from './layout.js';
import { MessageWriter } from './message-writer.js';
import { RingOutbox } from './ring-outbox.js';
import { RemoteUsers } from './remote-users.js';
import { Reports } from './reports.js';
import type { Segment } from './segments.js';
import { IncomingTraces, OutgoingTraces, type IncomingTrace, type Window } from './traces.js';
import type { RemoteTransaction } from './transaction.js';
import type { UidRows } from './uid-rows.js';

/** IDs for claims that are under way at the same time. */
const CLAIM_IDS = 0x3fff_ffff;

/** What a link needs of its domain. */
export interface LinkContext {
  readonly local: LocalDomain;
  readonly transaction: RemoteTransaction;
  /** quota of a user of this process */
  readonly maxima: Maxima;
  /** traces that other processes have here */
  readonly traceRows: UidRows;
  /** the link has something to report: the domain must call its `flush` later */
  needsFlush(): void;
  /** the other process leaves too much unread: the domain must give it up later */
  overflows(link: Link): void;
  /** A number under which a node is granted; none is used twice by this process. */
  nextNonce(): number;
}

/** What arrives at a proxy: its handles are this link's. */
export type Outgoing = Message<unknown, unknown, Export>;

/** The process at the other end, as announced by the authority. */
export interface ProcessIdentity extends ProcessDescription {
  readonly id: number;
}

/**
 * Another process, as a member of the local domain: it owns a proxy for each node of that process to which a handle
 * is held here, and holds a handle to each node that it can reach here. What arrives at a proxy is written to the
 * other process.
 */
export class Link implements Sink<Import, Export>, EntrySink {
  identity: ProcessIdentity;
  readonly outbox = new RingOutbox();
  readonly exports = new ExportTable();
  readonly imports = new ImportTable();
  readonly outgoing = new OutgoingTraces();
  readonly incoming: IncomingTraces;
  channel: Channel | null = null;
  isOpen = true;
  /** an Ask was sent, and no Window has arrived since */
  isAsking = false;
  private readonly context: LinkContext;
  private readonly users: RemoteUsers;
  private readonly writer = new MessageWriter(this);
  private readonly reports = new Reports(this);
  private isOverflowing = false;
  private lastClaim = 0;

  constructor(identity: ProcessIdentity, context: LinkContext) {
    this.identity = identity;
    this.context = context;
    this.users = new RemoteUsers(context.local, this, () => this.maximaThere());
    const maker = (): ProcessIdentity => this.identity;
    this.incoming = new IncomingTraces((trace) => this.owesCredit(trace), context.traceRows, maker);
  }

  connect(identity: ProcessIdentity, channel: Channel): void {
    this.identity = identity;
    this.channel = channel;
    this.outbox.connect(channel);
    this.outbox.flush();
    channel.writer.attach();
  }

  // Sink: operations of this process on nodes of the other one.

  accept(node: Node<Import>, message: Outgoing, trace: Trace): void {
    this.writer.write(node, message, trace);
  }

  /** Whether there are table rows for what the message hands over, and memory to write it to. Checks no quota. */
  // hot
  reserve(message: Message, handles: number): boolean {
    if (handles > HANDLES_MAX) return false;
    if (!this.exports.hasRoom(handles) || !this.outgoing.hasRoom || !this.outbox.hasRoom)
      return false;
    return this.writer.prepare(handles * REFERENCE_BYTES + message.lengthBytes);
  }

  nodeReleased({ context: record }: Handle<Export>): void {
    if (record === null) return;
    this.exports.forgetNode(record);
    writeNodeRelease(this, record.id);
  }

  /** The other side gives its references back after everything that it has sent until then. */
  nodeDraining({ context: record }: Handle<Export>): boolean {
    if (record !== null) writeNodeRelease(this, record.id);
    return true;
  }

  handleReleased({ context: record }: Node<Import>): void {
    if (record === null) return;
    this.imports.delete(record.id);
    writeRelease(this, record.id, record.references);
  }

  /** The figures of the other side's room may be out of date here: sends one Ask. */
  onRefused(): void {
    if (this.isAsking) return;
    this.isAsking = true;
    this.post(() => writeAsk(this));
  }

  /** A transaction of this link alone, which is part of no local one. */
  post(write: () => void): void {
    if (!this.isOpen) return;
    this.context.local.begin();
    write();
    this.context.local.commit();
  }

  /** Inside a transaction: room for an entry. */
  open(type: EntryType, lengthBytes: number): void {
    this.outbox.open(type, lengthBytes);
    this.touch();
    if (this.outbox.isGivenUp) this.overflow();
  }

  /** Opens an entry for a message and what it carries. */
  openMessage(lengthBytes: number, carried: DescriptorSet | null, segment: Segment | null): void {
    this.outbox.open(EntryType.Message, lengthBytes, carried, segment);
    this.touch();
  }

  /** A number under which a node of the other process is granted to a third. */
  nextNonce(): number {
    return this.context.nextNonce();
  }

  /** An ID for a handle that a third process has granted to this one, on the channel to the node's owner. */
  nextClaimId(): number {
    return CLAIMED_ID + (++this.lastClaim & CLAIM_IDS);
  }

  /** The ID under which the other side knows the node behind `handle`, a handle of this link. */
  export(handle: Handle<Export>): number {
    const known = handle.node.oneShot ? undefined : this.exports.find(handle.node);
    if (known !== undefined && handle.node.live) {
      known.references++;
      this.endHandle(handle);
      return known.id;
    }
    this.incoming.userOf(handle.node.owner.user); // whose window the other side has to know from now on
    const record = this.exports.add(handle);
    if (record === undefined) throw new Error('a handle was sent without room for it (reserve)');
    return record.id;
  }

  /** Inside a transaction: a handle of this link is no longer needed. */
  endHandle(handle: Handle): void {
    this.context.local.endHandle(handle);
  }

  /** Sends what waited for room, and reports what the other side has to know. `isBusy`: see `Reports`. */
  flush(isBusy = false): void {
    this.outbox.flush();
    if (!this.isOpen) return;
    if (!isBusy) this.users.sweep();
    if (!this.outbox.hasWaiting) this.reports.flush(isBusy);
  }

  // Entries from the other side.

  /** The other side waits for a report of the room here. False when it has asked already. */
  asked(): boolean {
    if (this.reports.isAsked) return false;
    this.reports.isAsked = true;
    this.context.needsFlush();
    return true;
  }

  /** The proxy behind `id`, with one more reference; made if it is new. Inside a transaction. */
  import(id: number, flags: number, uid: number): Node<Import> {
    const known = this.imports.get(id);
    if (known !== undefined) {
      known.references++;
      return known.node;
    }
    const takesDescriptors = (flags & ReferenceFlag.TakesDescriptors) !== 0;
    const owner = this.users.peerFor(this.ownerOf(uid), takesDescriptors);
    const node = this.context.local.makeNode(owner, (flags & ReferenceFlag.OneShot) !== 0);
    this.imports.add(new Import(this, id, node));
    return node;
  }

  /** How much others have taken of a user of the other process. False for a user that is not known here. */
  setWindow(uid: number, window: Window): boolean {
    return this.users.setWindow(uid, window);
  }

  /** A process that does not name accounts has one user, whatever it says about its nodes. @throws ChannelError */
  private ownerOf(uid: number): number {
    if (this.channel !== null && !this.identity.namesAccounts) return this.identity.uid;
    if (this.users.size < USERS_MAX || this.users.has(uid)) return uid;
    if (this.channel === null) return this.identity.uid;
    throw new ChannelError(`nodes of more than ${USERS_MAX} users`);
  }

  private overflow(): void {
    if (this.isOverflowing) return;
    this.isOverflowing = true;
    this.context.overflows(this);
  }

  /** The other process is gone, or is treated as gone: nodes first, then handles, as for any closing peer. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.outbox.close();
    this.writer.close();
    this.users.closePeers();
    this.outgoing.close();
    this.incoming.close();
    this.imports.clear();
    this.channel?.close();
    this.channel = null;
  }

  /** Peers, nodes and handles of the local domain that are there because of this link. */
  count(counts: { peers: number; nodes: number; handles: number }): void {
    this.users.count(counts);
  }

  /** Stands for all users of the other process: the owner of nodes that belong to none of them. */
  get ownPeer(): Peer<Import, Export> {
    return this.users.peerFor(this.identity.uid, true);
  }

  get maxima(): Maxima {
    return this.context.maxima;
  }

  /** Slot by slot the smaller quota: the other process's for one of its users, or this process's own. */
  private maximaThere(): Maxima {
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

  private owesCredit(trace: IncomingTrace): void {
    if (!this.isOpen) return;
    this.reports.owesCredit(trace);
    this.context.needsFlush();
  }
}

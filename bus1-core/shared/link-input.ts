import { DescriptorSet } from '../descriptors.js';
import { ChannelError } from '../errors.js';
import { Handle } from '../handle.js';
import { closeReceived } from '../linux/index.js';
import { Message } from '../message.js';
import { Node } from '../node.js';
import type { Channel } from './channel.js';
import { writeClaim, writeCredit, writeRelease } from './control-entries.js';
import { ControlInput, type InputContext } from './control-input.js';
import type { Export } from './exports.js';
import { IncomingMessage } from './incoming-message.js';
import {
  EntryOffset,
  EntryType,
  REFERENCE_KIND_MASK,
  ReferenceFlag,
  ReferenceKind,
  SwitchOffset,
} from './layout.js';
import type { Link } from './link.js';
import { SegmentMappings } from './segments.js';

/** Words of a reference, and where each stands. */
const REFERENCE_WORDS = 4;
const KIND = 0;
const ID = 1;
const UID = 2;
const PROCESS = 3;

/**
 * The receiving half of a link: takes entries out of the ring, checks them, and carries them out here.
 * A faulty entry is a ChannelError and has no effect.
 */
export class LinkInput {
  private readonly link: Link;
  private readonly channel: Channel;
  private readonly context: InputContext;
  private readonly control: ControlInput;
  private readonly segments = new SegmentMappings();
  private readonly incoming = new IncomingMessage();
  private readonly message = new Message();
  /** placeholders for the handles that a message carries: the core uses their nodes only */
  private readonly carried: Handle[] = [];
  private readonly deadNode: Node;
  private stampNs = 0;
  /** ring position of the message that `incoming` holds; -1 for none */
  private readAt = -1;

  constructor(link: Link, channel: Channel, context: InputContext) {
    this.link = link;
    this.channel = channel;
    this.context = context;
    this.control = new ControlInput(link, context);
    this.deadNode = new Node(link.ownPeer, false);
    this.deadNode.live = false;
  }

  /**
   * Stamp of the next entry; Infinity when there is none, or its transaction has not been committed. Stamps of a
   * channel do not decrease, whatever the sender writes.
   */
  nextStampNs(): number {
    const { reader, page } = this.channel;
    if (!reader.next()) return Infinity;
    let stampNs = reader.view.getFloat64(reader.offset + EntryOffset.Stamp, true);
    if (stampNs === 0) {
      const committed = page.committed;
      const transaction = reader.view.getUint32(reader.offset + EntryOffset.Transaction, true);
      const ahead = (committed - transaction) | 0;
      // The sender fills in stamps after it has committed, and before it begins anything else.
      if (ahead === 0) stampNs = page.stampNs;
      if (ahead !== 0 || page.committed !== committed) {
        stampNs = reader.view.getFloat64(reader.offset + EntryOffset.Stamp, true);
      }
      if (stampNs === 0 && ahead <= 0) return Infinity;
    }
    if (!(stampNs > 0 && stampNs < Infinity))
      throw new ChannelError(`an invalid stamp of ${stampNs} ns`);
    if (stampNs > this.stampNs) this.stampNs = stampNs;
    return this.stampNs;
  }

  /**
   * The process without a channel to this one whose node the next entry carries; 0 when there is nothing to wait for.
   */
  strangerInNext(): number {
    const { reader } = this.channel;
    if (reader.type !== EntryType.Message) return 0;
    /* a message that waits is read again, but its segment arrives once */
    if (this.readAt !== reader.position) {
      this.incoming.read(this.channel, reader.offset, reader.length);
      this.incoming.locateBody(this.channel, this.segments);
      this.readAt = reader.position;
    }
    return this.strangerIn(this.incoming);
  }

  /**
   * Carries out the entry that `nextStampNs` found and `strangerInNext` has checked. False when it has to wait: a
   * claim can overtake its grant when the grantor's ring is full.
   */
  take(): boolean {
    const { reader } = this.channel;
    const { offset, type } = reader;
    if (type === EntryType.Switch) {
      this.channel.follow(reader.view.getUint32(offset + SwitchOffset.Capacity, true));
      return true;
    }
    if (type === EntryType.Message) this.takeMessage(this.incoming);
    else if (type === EntryType.Claim && this.control.mustWait(reader.view, offset)) return false;
    else this.control.take(reader.view, offset, type);
    this.readAt = -1;
    reader.skip();
    return true;
  }

  /** Of the message that was taken last. */
  get handleCount(): number {
    return this.incoming.handleCount;
  }

  close(): void {
    this.control.close();
    this.segments.close();
  }

  private strangerIn({ references, handleCount }: IncomingMessage): number {
    for (let i = 0; i < handleCount; i++) {
      const at = i * REFERENCE_WORDS;
      if ((references[at + KIND] & REFERENCE_KIND_MASK) !== ReferenceKind.Third) continue;
      const process = references[at + PROCESS];
      if (this.context.linkTo(process) === undefined) return process;
    }
    return 0;
  }

  private takeMessage(incoming: IncomingMessage): void {
    const record = this.link.exports.mustGet(incoming.target);
    this.checkReferences(incoming);
    const { namesAccounts, uid } = this.link.identity;
    if (!namesAccounts && incoming.account !== uid) {
      throw new ChannelError(`uid ${uid} sent on behalf of uid ${incoming.account}`);
    }
    if (incoming.releases > record.references) {
      throw new ChannelError(
        `it released ${incoming.releases} references to a node, but held ${record.references}`,
      );
    }
    const { handle } = record;
    if (handle === null || isRefused(handle, incoming)) this.discard(incoming);
    else if (!this.deliver(incoming, record, handle)) this.discard(incoming);
    if (incoming.releases > 0) this.control.giveBack(record, incoming.releases);
  }

  /** False when there is no room for it, in the quota of its receiver or among the descriptors of this process. */
  private deliver(incoming: IncomingMessage, record: Export, through: Handle): boolean {
    const { node } = through;
    const { local } = this.context;
    const receiver = node.owner;
    const objects = 1 + incoming.handleCount;
    const trace = this.link.incoming.of(incoming.trace, incoming.account, receiver.user);
    const { descriptorCount, lengthBytes } = incoming;
    if (!trace.charge(objects, lengthBytes, descriptorCount)) return false;
    let fds: number[] = [];
    try {
      fds = incoming.takeDescriptors(this.channel);
    } finally {
      incoming.descriptorCount = 0;
      /* also when they were announced and never sent, which closes the channel */
      if (fds.length < descriptorCount) trace.takeBack(objects, lengthBytes, descriptorCount);
    }
    if (fds.length < descriptorCount) {
      incoming.lostDescriptors = descriptorCount;
      return false;
    }
    const descriptors = fds.length === 0 ? null : new DescriptorSet(fds, closeReceived);
    const message = this.message.clear();
    message.descriptors = descriptors;
    message.origin = this.link.identity.id;
    // A queue copies bytes without reading them, so it can copy straight from shared memory.
    if (receiver.queue !== null) {
      message.addPiece(incoming.source, incoming.offset, incoming.lengthBytes);
    } else if (incoming.isInSegment) {
      message.setOwnedBytes(incoming.copyOut());
    } else {
      message.addPiece(incoming.copyBytes(), 0, incoming.lengthBytes);
    }
    local.begin();
    for (let i = 0; i < incoming.handleCount; i++) this.carry(message, i, incoming.references);
    message.ownFrom = firstOwn(incoming);
    local.deliver(node, message, trace.trace);
    if (node.oneShot) {
      this.link.exports.forgetNode(record);
      local.consume(node, through);
    }
    local.commit();
    descriptors?.drop();
    return true;
  }

  /**
   * A message for a node that is gone, or whose owner takes no more: what it carries counts as released, what it cost
   * is given back.
   */
  private discard(incoming: IncomingMessage): void {
    const { references, handleCount, lengthBytes } = incoming;
    const descriptorCount = incoming.descriptorCount + incoming.lostDescriptors;
    if (incoming.descriptorCount > 0) incoming.dropDescriptors(this.channel);
    this.link.post(() => {
      writeCredit(this.link, incoming.trace, 1 + handleCount, lengthBytes, descriptorCount);
      for (let i = 0; i < handleCount; i++) {
        const at = i * REFERENCE_WORDS;
        const kind = references[at + KIND] & REFERENCE_KIND_MASK;
        if (kind === ReferenceKind.Sender) writeRelease(this.link, references[at + ID], 1);
        if (kind !== ReferenceKind.Third) continue;
        const owner = this.context.placeholderFor(references[at + PROCESS]);
        const id = this.claim(owner, references[at + ID]);
        writeRelease(owner, id, 1);
      }
    });
  }

  /** Adds handle `i` of a message to what is delivered with it. Inside a transaction. */
  private carry(message: Message, i: number, references: Uint32Array): void {
    const at = i * REFERENCE_WORDS;
    const flags = references[at + KIND];
    const id = references[at + ID];
    const uid = references[at + UID];
    const kind = flags & REFERENCE_KIND_MASK;
    let node: Node;
    if (kind === ReferenceKind.Sender) {
      node = this.link.import(id, flags, uid);
    } else if (kind === ReferenceKind.Receiver) {
      node = this.link.exports.get(id)?.handle?.node ?? this.deadNode;
    } else {
      const owner = this.context.placeholderFor(references[at + PROCESS]);
      node = owner.isOpen ? owner.import(this.claim(owner, id), flags, uid) : this.deadNode;
    }
    const stand = (this.carried[i] ??= new Handle(this.link.ownPeer, node));
    stand.node = node;
    message.addTransfer(stand);
  }

  /** Claims a granted node from its owner; returns the ID to use from now on. */
  private claim(owner: Link, nonce: number): number {
    const id = owner.nextClaimId();
    if (!owner.isOpen) return id;
    writeClaim(owner, this.link.identity.id, nonce, id);
    return id;
  }

  private checkReferences({ references, handleCount }: IncomingMessage): void {
    for (let i = 0; i < handleCount; i++) {
      const at = i * REFERENCE_WORDS;
      const kind = references[at + KIND] & REFERENCE_KIND_MASK;
      const known = REFERENCE_KIND_MASK | ReferenceFlag.OneShot | ReferenceFlag.TakesDescriptors;
      const process = references[at + PROCESS];
      const isThird = kind === ReferenceKind.Third;
      const isKind = kind === ReferenceKind.Sender || kind === ReferenceKind.Receiver || isThird;
      if (!isKind || (references[at + KIND] & ~known) !== 0) {
        throw new ChannelError(`a handle of the invalid kind ${references[at + KIND]}`);
      }
      if (kind === ReferenceKind.Receiver) this.link.exports.mustGet(references[at + ID]);
      if (isThird && (process === this.link.identity.id || process === this.context.id)) {
        throw new ChannelError('it granted a node of another process under a wrong process ID');
      }
    }
  }
}

/**
 * Whether the receiver takes nothing. A receiver with a rule for each sender decides in `accept`. The first byte is
 * not passed on: the sender can still change it until the message has been copied.
 */
function isRefused({ node }: Handle, { lengthBytes }: IncomingMessage): boolean {
  return node.owner.refuses(-1, null, lengthBytes);
}

/** Index from which on all handles lead to nodes of the process that sent the message. */
function firstOwn({ references, handleCount }: IncomingMessage): number {
  let first = handleCount;
  while (first > 0 && kindOf(references, first - 1) === ReferenceKind.Sender) first--;
  return first;
}

function kindOf(references: Uint32Array, index: number): number {
  return references[index * REFERENCE_WORDS + KIND] & REFERENCE_KIND_MASK;
}

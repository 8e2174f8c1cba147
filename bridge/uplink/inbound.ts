import { SendStatus, type DescriptorSet } from '#core/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { headerText } from '#bridge/wire/header-text.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import { DRIVER_NUMBER, Envelope } from '#bridge/registry/envelope.js';
import { failureOf } from '#bridge/registry/send-failure.js';
import { Parcel } from '#bridge/peer/parcel.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Ghost } from './ghost.js';
import type { PendingCall } from './pending-call.js';
import type { Uplink } from './uplink.js';

const DRIVER_BYTES = Buffer.from(DRIVER_NAME);
/**
 * How long to wait before retrying a message whose receiver has no room for it. There is no `secondTry`: what was
 * composed lies in buffers that are used for messages which arrive meanwhile, too.
 */
const NO_ROOM_RETRY_MS = 10;

/**
 * The most that is kept here for a name that is moving here; further messages wait on the other bus. Those of the
 * bridge's own clients among them are then overtaken, so this is more than a second's worth of calls.
 */
const ARRIVING_MAX_BYTES = 64 * 1024 * 1024;

/** A message from the other bus that cannot be passed on yet. */
interface Held {
  /** unique name on the other bus */
  readonly sender: string;
  readonly parcel: Parcel;
}

/**
 * The messages of the other bus to one client. They stay in order: one that has to wait, because its sender is not
 * known yet or its receiver does not read, blocks those behind it, and then reading from the other bus.
 */
export class Inbound {
  private readonly uplink: Uplink;
  /** the client does not read: the other bus is not read either */
  isStuck = false;
  private held: Held[] = [];
  /** callbacks to run once everything from `sender` is delivered */
  private drained: { readonly sender: string; readonly done: () => void }[] = [];
  private passed: (() => void)[] = [];
  private arrivingBytes = 0;
  private readonly stuck = new Set<() => void>();
  private readonly heldEnvelope = new Envelope();
  private lastSender: Ghost | null = null;

  constructor(uplink: Uplink) {
    this.uplink = uplink;
  }

  // hot
  take(envelope: Envelope, descriptors: DescriptorSet | null): void {
    if (this.held.length === 0 && this.deliver(envelope, descriptors)) return;
    const { header } = envelope;
    this.held.push({ sender: senderText(header), parcel: Parcel.copy(header, descriptors) });
    if (this.uplink.arriving.size === 0) return;
    this.arrivingBytes += header.end - header.start;
    if (this.arrivingBytes > ARRIVING_MAX_BYTES) this.getStuck();
  }

  /** The name has moved to the client, or will not: delivers the messages that waited for it. */
  arrived(name: string): void {
    if (!this.uplink.arriving.delete(name)) return;
    this.arrivingBytes = 0;
    this.resume();
  }

  /** Delivers messages from clients of this bridge that came by way of the other bus, ahead of all others. */
  passOwn(): void {
    const { uplinks } = this.uplink.attachment;
    const own = this.held.filter(({ sender }) => uplinks.clientBehind(sender) !== undefined);
    this.held = this.held.filter((each) => !own.includes(each));
    for (const { parcel } of own) {
      parcel.scan(this.heldEnvelope.header);
      this.shortcut(this.heldEnvelope, parcel.descriptors);
      parcel.drop();
    }
    this.tellDrained();
    this.tellPassed();
  }

  /** Calls back when nothing is held any more. */
  whenPassed(done: () => void): void {
    this.passed.push(done);
    this.tellPassed();
  }

  /** Retries the held messages: the first one may be deliverable now. */
  resume(): void {
    for (let [first] = this.held; first !== undefined; [first] = this.held) {
      const { parcel } = first;
      parcel.scan(this.heldEnvelope.header);
      if (!this.deliver(this.heldEnvelope, parcel.descriptors)) return;
      this.held.shift();
      parcel.drop();
      this.tellDrained();
    }
    this.tellPassed();
    if (!this.isStuck) return;
    this.isStuck = false;
    this.uplink.link?.resume();
  }

  /**
   * Calls back once no message of this sender is held any more. Messages of other senders are not waited for: they
   * may be waiting for the caller itself.
   */
  whenDrained(sender: string, done: () => void): void {
    this.drained.push({ sender, done });
    this.tellDrained();
  }

  /** Calls back when the client turns out not to read. Returns how to cancel that. */
  whenStuck(done: () => void): () => void {
    this.stuck.add(done);
    return () => this.stuck.delete(done);
  }

  close(): void {
    for (const { parcel } of this.held) parcel.drop();
    this.held = [];
    this.lastSender = null;
    this.isStuck = false;
    this.releaseAll();
  }

  /** False: it has to wait, and `resume` will be called. */
  // hot
  private deliver(envelope: Envelope, descriptors: DescriptorSet | null): boolean {
    const { header } = envelope;
    if (header.type === MessageType.MethodReturn || header.type === MessageType.Error) {
      return this.reply(envelope, descriptors);
    }
    if (header.type > MessageType.Signal || header.senderLength === 0) return true;
    if (isFromDriver(header)) return this.fromDriver(header);
    return header.destinationLength === 0
      ? this.broadcast(envelope, descriptors)
      : this.directed(envelope, descriptors);
  }

  // hot
  private reply(envelope: Envelope, descriptors: DescriptorSet | null): boolean {
    const { header } = envelope;
    const call = this.uplink.outbound.pending.get(header.replySerial);
    if (call === undefined) return true;
    if (isFromDriver(header)) {
      if (header.type === MessageType.Error && isNoReply(header))
        return this.unanswered(header, call);
      return this.passReply(envelope, descriptors, call, null);
    }
    const ghost = this.sender(header);
    return ghost === null ? this.await(header) : this.passReply(envelope, descriptors, call, ghost);
  }

  // hot
  private passReply(
    envelope: Envelope,
    descriptors: DescriptorSet | null,
    call: PendingCall,
    ghost: Ghost | null,
  ): boolean {
    const { attachment, clientName } = this.uplink;
    const { facet, standIn, handle, serial } = call;
    if (facet !== null && !attachment.host.permits(facet, envelope.header)) {
      call.giveUp();
      return true;
    }
    envelope.senderNumber = ghost === null ? DRIVER_NUMBER : ghost.connection.number;
    const sender = ghost === null ? DRIVER_BYTES : ghost.nameBytes;
    const message = attachment.composer.compose(envelope, descriptors, serial, clientName, sender);
    attachment.composer.show(message, ghost?.connection);
    ghost?.heardBy(this.uplink);
    const status = standIn.peer.send(handle, message);
    if (status === SendStatus.OverQuota) return this.retryLater();
    if (status === SendStatus.Sent) call.settle();
    else call.refuse(attachment.driver, this.uplink.connection, ...failureOf(status));
    return true;
  }

  /**
   * NoReply: the callee has probably left. The client learns that first, as on one bus. Messages that come meanwhile
   * are not held, because the news may wait for one of them.
   */
  private unanswered(header: MessageHeader, call: PendingCall): true {
    const { attachment, outbound } = this.uplink;
    const parcel = Parcel.copy(header, null);
    const sender = senderText(header);
    attachment.whenTold(() => {
      const envelope = new Envelope();
      parcel.scan(envelope.header);
      const isPending = outbound.pending.get(envelope.header.replySerial) === call;
      if (!isPending || this.passReply(envelope, null, call, null)) parcel.drop();
      else this.held.push({ sender, parcel });
    });
    return true;
  }

  /** A call, or a signal directed to this client: match rules do not apply. */
  private directed(envelope: Envelope, descriptors: DescriptorSet | null): boolean {
    const { arriving, attachment } = this.uplink;
    if (arriving.size > 0 && arriving.has(headerText(envelope.header, 'destination'))) return false;
    const ghost = this.sender(envelope.header);
    if (ghost === null) {
      const isOwn = attachment.uplinks.clientBehind(senderText(envelope.header)) !== undefined;
      return isOwn ? this.shortcut(envelope, descriptors) : this.await(envelope.header);
    }
    ghost.heardBy(this.uplink);
    return ghost.convey(this.uplink, envelope, descriptors) || this.retryLater();
  }

  /**
   * The message is from a client of this bridge, sent when the name was still owned on the other bus: it is
   * delivered here directly.
   */
  private shortcut(envelope: Envelope, descriptors: DescriptorSet | null): true {
    const { attachment } = this.uplink;
    const client = attachment.uplinks.clientBehind(senderText(envelope.header));
    if (client !== undefined)
      attachment.delivery.shorten(client, this.uplink, envelope, descriptors);
    return true;
  }

  /** A broadcast that matched one of the client's rules on the other bus; it is not matched again here. */
  private broadcast(envelope: Envelope, descriptors: DescriptorSet | null): boolean {
    const { header } = envelope;
    const { imports } = this.uplink.attachment;
    const name = senderText(header);
    if (!imports.isOwner(name) && !this.uplink.rules.asksFor(name))
      return imports.isStranger(name) || this.learn(name);
    const ghost = this.sender(header);
    if (ghost === null) return this.await(header);
    ghost.heardBy(this.uplink);
    const { access } = this.uplink;
    const isHidden =
      access.reach !== undefined && !ghost.serviceNames.some((each) => this.uplink.reaches(each));
    if (isHidden) return true;
    return ghost.tell(this.uplink, envelope, descriptors) || this.retryLater();
  }

  /** Null: the sender is unknown, or a change that must be announced before its message is still missing. */
  // hot
  private sender(header: MessageHeader): Ghost | null {
    const { ghosts, imports } = this.uplink.attachment;
    let found = this.lastSender;
    if (found === null || !found.live || !isNamed(found, header)) {
      found = ghosts.find(senderText(header));
      if (found === null) return null;
      this.lastSender = found;
    }
    return found.isTold || !imports.isOwner(found.farText) ? found : null;
  }

  /** Waits until the sender has a ghost or, if it owns an imported name, until that name has been announced. */
  private await(header: MessageHeader): false {
    const { ghosts, imports } = this.uplink.attachment;
    const name = senderText(header);
    const isNew = ghosts.find(name) === null;
    if (isNew && !imports.isOwner(name)) ghosts.adopt(name, () => this.resume());
    else imports.whenTold(name, () => this.resume());
    return false;
  }

  /** Finds out whether an unknown connection owns an imported name: it may have got it a moment ago. */
  private learn(name: string): false {
    const { attachment } = this.uplink;
    attachment.catchUp(() => {
      if (!attachment.imports.isOwner(name)) attachment.imports.noteStranger(name);
      this.resume();
    });
    return false;
  }

  private retryLater(): false {
    const { host } = this.uplink.attachment;
    host.at(performance.now() + NO_ROOM_RETRY_MS, () => this.resume());
    this.getStuck();
    return false;
  }

  private getStuck(): void {
    if (this.isStuck) return;
    this.isStuck = true;
    this.uplink.link?.pause();
    this.releaseAll();
  }

  private tellPassed(): void {
    if (this.held.length > 0) return;
    for (const done of this.passed.splice(0)) done();
  }

  private releaseAll(): void {
    for (const done of this.stuck) done();
    for (const { done } of this.drained.splice(0)) done();
    for (const done of this.passed.splice(0)) done();
  }

  private tellDrained(): void {
    if (this.drained.length === 0) return;
    const senders = new Set(this.held.map(({ sender }) => sender));
    const ready = this.drained.filter(({ sender }) => !senders.has(sender));
    this.drained = this.drained.filter(({ sender }) => senders.has(sender));
    for (const { done } of ready) done();
  }

  private fromDriver(header: MessageHeader): true {
    const isAboutUs = header.type === MessageType.Signal && header.destinationLength > 0;
    if (isAboutUs && headerText(header, 'member') === 'NameLost') this.uplink.lostName(header);
    return true;
  }
}

// hot
function isFromDriver({ bytes, senderOffset, senderLength }: MessageHeader): boolean {
  if (senderLength !== DRIVER_BYTES.length) return false;
  for (let i = senderLength - 1; i >= 0; i--) {
    if (bytes[senderOffset + i] !== DRIVER_BYTES[i]) return false;
  }
  return true;
}

function isNoReply(header: MessageHeader): boolean {
  return headerText(header, 'errorName') === ErrorName.NoReply;
}

// hot
function isNamed(
  { farName }: Ghost,
  { bytes, senderOffset, senderLength }: MessageHeader,
): boolean {
  if (senderLength !== farName.length) return false;
  for (let i = senderLength - 1; i >= 0; i--)
    if (bytes[senderOffset + i] !== farName[i]) return false;
  return true;
}

function senderText({ bytes, senderOffset, senderLength }: MessageHeader): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + senderOffset, senderLength).toString(
    'latin1',
  );
}

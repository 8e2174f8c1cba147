import type { DescriptorSet, Trace } from '#core/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { headerText as fieldText } from '#bridge/wire/header-text.js';
import type { SentMessage } from '#bridge/registry/envelope.js';
import { wantsReply } from '#bridge/wire/types.js';
import { contentsOf, Parcel } from '#bridge/peer/parcel.js';
import type { Facet } from '#policy/index.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import type { ForeignCall } from './foreign-call.js';
import { NO_FIELD } from './header-rewriter.js';
import { PendingCall } from './pending-call.js';
import type { CarriedMessage, StandIn } from './stand-in.js';
import type { Uplink, UplinkFailure } from './uplink.js';

/** A client's message that cannot go out yet, such as while its uplink opens; charged like one in an outbox. */
export interface Unsent {
  readonly parcel: Parcel;
  /** where it has arrived, which holds its reply handle; undefined: a broadcast */
  readonly standIn: StandIn | undefined;
  readonly destination: Uint8Array | null;
  readonly replyFacet: Facet | null;
}

/** The messages of one client to the other bus. */
export class Outbound {
  /** by the serial that the call has on the other bus */
  pending = new Map<number, PendingCall>();
  private readonly uplink: Uplink;
  private waiting: Unsent[] = [];
  /** number of messages held elsewhere, for a name that is changing hands */
  private heldCount = 0;

  constructor(uplink: Uplink) {
    this.uplink = uplink;
  }

  /** Whether a message has yet to be written to the other bus. */
  get hasWaiting(): boolean {
    if (this.heldCount > 0) return true;
    return this.waiting.length > 0 || (this.uplink.link?.outbox.pendingBytes ?? 0) > 0;
  }

  /**
   * A call or a directed signal that has arrived at `standIn`. Inside a transaction: no operation of the core may be
   * started. `destination` null keeps the field.
   */
  // hot
  carry(
    standIn: StandIn,
    message: CarriedMessage,
    trace: Trace,
    destination: Uint8Array | null,
  ): void {
    const { uplink } = this;
    const { header, replyFacet } = message.note!;
    if (uplink.access.reach !== undefined && !this.mayReach(standIn, header)) {
      const { parcel } = this.keep(standIn, message, trace, destination);
      uplink.attachment.defer(() => this.deny(parcel));
      return;
    }
    const failure = this.crossingFailure(header);
    if (failure !== undefined) {
      const { parcel } = this.keep(standIn, message, trace, destination);
      const { attachment } = uplink;
      attachment.defer(() => attachment.refuseParcel(parcel, failure.errorName, failure.text));
      return;
    }
    const hold = destination === null ? uplink.attachment.holds.find(header) : null;
    if (hold !== null) {
      this.heldCount++;
      hold.add(this.uplink, this.keep(standIn, message, trace, null));
      return;
    }
    if (this.waiting.length > 0 || uplink.link === null || !uplink.link.isReady) {
      this.waiting.push(this.keep(standIn, message, trace, destination));
      uplink.attachment.defer(() => uplink.open());
      return;
    }
    const serial = this.write(
      header,
      0,
      destination,
      message.descriptors,
      message.lengthBytes,
      trace,
    );
    const reply = wantsReply(header) ? message.lastReceived : null;
    if (reply !== null)
      PendingCall.enter(this.pending, serial, standIn, reply, header.serial, replyFacet);
    const argumentCount = message.receivedCount - (reply === null ? 0 : 1);
    if (argumentCount > 0) standIn.releaseLater(message.received.slice(0, argumentCount));
  }

  /** A message that was held goes to the other bus after all. */
  carryOn(held: Unsent): void {
    this.heldCount--;
    const { uplink } = this;
    if (this.waiting.length === 0 && uplink.link?.isReady === true) return this.send(held);
    this.waiting.push(held);
    uplink.open();
    if (uplink.link === null) this.fail(ErrorName.NoReply, 'The client has left the bus');
  }

  /** A message that was held has been sent elsewhere. */
  wentElsewhere(): void {
    this.heldCount--;
    this.uplink.drained();
  }

  /** A client's answer to a call that came in through this uplink. Called inside a transaction, too. */
  // hot
  answer(call: ForeignCall, message: CarriedMessage, trace: Trace): void {
    const { header } = message.note!;
    if (this.uplink.link === null || !this.uplink.link.isReady) {
      trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
      return;
    }
    const failure = this.crossingFailure(header);
    if (failure !== undefined) {
      trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
      this.uplink.answerWithError(call.caller, call.serial, failure.errorName, failure.text);
      return;
    }
    const { farName } = call.caller;
    this.write(header, call.serial, farName, message.descriptors, message.lengthBytes, trace);
  }

  /** A broadcast of a client that owns an exported name. What the other bus does not read in time is lost. */
  emit(message: SentMessage): void {
    const { link, attachment } = this.uplink;
    if (this.waiting.length > 0 || link === null || !link.isReady) {
      const parcel = new Parcel({ bytes: message.copyBytes(), descriptors: message.descriptors });
      this.waiting.push({ parcel, standIn: undefined, destination: NO_FIELD, replyFacet: null });
      return;
    }
    if (link.outbox.pendingBytes > attachment.host.limits.maxOutgoingBytes) return;
    const { header } = message.note!;
    const failure = this.crossingFailure(header);
    if (failure !== undefined) return attachment.log('warn', failure.text, {});
    this.write(header, 0, NO_FIELD, message.descriptors, message.lengthBytes, null);
  }

  /** The uplink is ready: all that waited goes out, in order. */
  flush(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const each of waiting) this.send(each);
  }

  /** Drops all waiting messages and pending calls: their senders get an error. */
  fail(errorName: string, text: string): void {
    this.abandon(errorName, text)();
  }

  /** Forgets all waiting messages and pending calls. Returns what gives their senders the error. */
  abandon(errorName: string, text: string): () => void {
    const { waiting, pending, uplink } = this;
    this.waiting = [];
    this.pending = new Map();
    const { attachment, connection } = uplink;
    return () => {
      for (const { parcel } of waiting) attachment.refuseParcel(parcel, errorName, text);
      for (const call of pending.values()) {
        call.refuse(attachment.driver, connection, errorName, text);
      }
    };
  }

  /** Why this message may not be passed on to the other bus. */
  // hot
  private crossingFailure(header: MessageHeader): UplinkFailure | undefined {
    const { attachment, isAlias, clientName } = this.uplink;
    if (header.end === header.bodyStart) return undefined;
    if (!isAlias && !attachment.hasUnknownNames) return undefined;
    return attachment.crossingFailure(header, isAlias ? clientName : null);
  }

  /** Whether a confined client may reach the destination. One without service names has spoken to it first. */
  private mayReach(standIn: StandIn, header: MessageHeader): boolean {
    const name = fieldText(header, 'destination');
    const names = name.startsWith(':') ? standIn.serviceNames : [name];
    return names.length === 0 || names.some((each) => this.uplink.reaches(each));
  }

  private deny(parcel: Parcel): void {
    const { connection, access, attachment } = this.uplink;
    if (connection?.live !== true || access.confinement === undefined) return parcel.drop();
    const { errorName, text } = attachment.refusalOf(connection, access.confinement);
    attachment.refuseParcel(parcel, errorName, text);
  }

  /** Copies a message that has arrived at `standIn`. Called inside the transaction. */
  private keep(
    standIn: StandIn,
    message: CarriedMessage,
    trace: Trace,
    destination: Uint8Array | null,
  ): Unsent {
    const { replyFacet } = message.note!;
    const { connection } = this.uplink;
    const parcel = new Parcel(contentsOf(message, trace, standIn.peer, connection));
    return { parcel, standIn, destination, replyFacet };
  }

  private send({ parcel, standIn, destination, replyFacet }: Unsent): void {
    const { scanned } = this.uplink.attachment;
    parcel.scan(scanned);
    const { bytes, serial } = parcel;
    const { descriptors, trace, reply } = parcel.take();
    const key = this.write(scanned, 0, destination, descriptors, bytes.length, trace);
    descriptors?.drop();
    if (reply === null || standIn === undefined) return;
    PendingCall.enter(this.pending, key, standIn, reply, serial, replyFacet);
  }

  /** Appends a message as the other bus is to see it; returns its serial there. */
  // hot
  private write(
    header: MessageHeader,
    replySerial: number,
    destination: Uint8Array | null,
    descriptors: DescriptorSet | null,
    chargedBytes: number,
    trace: Trace | null,
  ): number {
    const { attachment } = this.uplink;
    const link = this.uplink.link!;
    const message = attachment.outgoing.clear();
    const serial = link.serials.next();
    attachment.rewriter.rewrite(message, header, serial, replySerial, destination, NO_FIELD);
    message.descriptors = descriptors;
    /* the discharge must equal the charge, which was for the message as it came in */
    message.lengthBytes = chargedBytes;
    link.outbox.append(message, trace);
    link.grown();
    return serial;
  }
}

import { Message, SendStatus, type DescriptorSet, type Handle } from '#core/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { STATUS_TEXTS } from '#bridge/driver/messages.js';
import { headerText } from '#bridge/wire/header-text.js';
import type { Connection } from '#bridge/registry/connection.js';
import { Envelope } from '#bridge/registry/envelope.js';
import { denialText } from '#bridge/registry/denial.js';
import type { Attachment } from './attachment.js';
import type { StandIn } from './stand-in.js';
import type { Uplink } from './uplink.js';
import type { WaitingMessage } from './waiting-message.js';

/** A client's message for a connection on the bridge. */
interface Parcel {
  readonly sender: Connection;
  readonly owner: Connection;
  readonly name: string;
  /** holds `reply` */
  readonly standIn: StandIn;
  readonly reply: Handle | null;
  /** the caller's own */
  readonly serial: number;
}

/** Delivers here what clients of the bridge sent to a name on the other bus that has moved here in the meantime. */
export class Delivery {
  private readonly attachment: Attachment;
  private readonly message = new Message<Envelope, never>();
  private readonly envelope = new Envelope();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  /** Delivers a message that was held for `name`, which `owner` now owns. */
  deliver({ connection }: Uplink, held: WaitingMessage, name: string, owner: Connection): void {
    const { bytes, descriptors, standIn, reply, serial } = held;
    if (connection !== undefined && standIn !== undefined) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.envelope.header.scan(bytes, view, 0, bytes.length);
      const message = this.message.clear();
      message.addPiece(bytes, 0, bytes.length);
      message.descriptors = descriptors;
      held.replyGone();
      this.pass({ sender: connection, owner, name, standIn, reply, serial }, message);
    }
    held.drop();
  }

  /** Delivers directly a message that the client of `from` sent to the other bus, and that came back on `to`. */
  shorten(from: Uplink, to: Uplink, { header }: Envelope, descriptors: DescriptorSet | null): void {
    const { attachment } = this;
    const call = from.outbound.pending.get(header.serial);
    const standIn = call?.standIn ?? attachment.gate;
    if (from.connection === undefined || to.connection === undefined || standIn === undefined)
      return;
    const { connection: sender, clientName } = from;
    const serial = call?.serial ?? header.serial;
    const message = this.message.clear();
    attachment.rewriter.rewrite(message, header, serial, 0, null, clientName);
    const bytes = message.copyBytes();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.envelope.header.scan(bytes, view, 0, bytes.length);
    message.clear().addPiece(bytes, 0, bytes.length);
    message.descriptors = descriptors;
    call?.settle();
    /* the answer does not go through the other bus, so its pending reply there is ended */
    if (call !== undefined) to.link?.sendError(from.farText, header.serial, ErrorName.NoReply, '');
    const name = headerText(header, 'destination');
    const reply = call?.handle ?? null;
    this.pass({ sender, owner: to.connection, name, standIn, reply, serial }, message);
  }

  private pass(parcel: Parcel, message: Message<Envelope, never>): void {
    const { sender, owner, name, standIn, reply } = parcel;
    const { registry } = this.attachment.driver;
    const { facet, replyFacet } = registry.grants.between(sender, owner);
    if (facet !== null && !facet.check(this.envelope.header)) {
      const why = denialText(facet, this.envelope.header);
      return this.refuse(parcel, ErrorName.AccessDenied, why);
    }
    const handle = owner.nameHandles.get(name);
    if (handle === undefined) return this.refuse(parcel, ...STATUS_TEXTS[SendStatus.BadHandle]);
    this.envelope.senderNumber = sender.number;
    this.envelope.replyFacet = replyFacet;
    message.note = this.envelope;
    if (reply?.live === true) message.addTransfer(reply);
    const through = registry.peer.copyHandle(handle, standIn.peer);
    const status = standIn.peer.send(through, message);
    standIn.peer.release(through);
    if (status !== SendStatus.Sent) {
      const [errorName, why] = STATUS_TEXTS[status];
      return this.refuse(parcel, errorName, why || `Too many messages wait for ${name}`);
    }
    if (reply?.live === true) standIn.peer.release(reply);
  }

  private refuse({ sender, standIn, reply, serial }: Parcel, errorName: string, why: string): void {
    if (reply === null || !reply.live) return;
    this.attachment.refuse(sender, standIn, reply, serial, errorName, why);
    if (reply.live) standIn.peer.release(reply);
  }
}

import { Message, SendStatus, type DescriptorSet } from '#core/index.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { reportDenial } from '#bridge/driver/report-denial.js';
import { Parcel } from '#bridge/peer/parcel.js';
import { headerText } from '#bridge/wire/header-text.js';
import type { Connection } from '#bridge/registry/connection.js';
import { Envelope } from '#bridge/registry/envelope.js';
import { failureOf } from '#bridge/registry/send-failure.js';
import type { Attachment } from './attachment.js';
import type { Uplink } from './uplink.js';

/** Delivers here what clients of the bridge sent to a name on the other bus that has moved here in the meantime. */
export class Delivery {
  private readonly attachment: Attachment;
  private readonly message = new Message<Envelope, never>();
  private readonly envelope = new Envelope();

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  /** Delivers a message that was held for `name`, which `owner` now owns. */
  deliver({ connection }: Uplink, parcel: Parcel, name: string, owner: Connection): void {
    if (connection === undefined) parcel.drop();
    else this.pass(parcel, connection, name, owner);
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
    const handles = call === undefined ? [] : [call.handle];
    const parcel = new Parcel({ bytes, descriptors, handles, holder: standIn.peer, sender });
    call?.settle();
    /* the answer does not go through the other bus, so its pending reply there is ended */
    if (call !== undefined) to.link?.sendError(from.farText, header.serial, ErrorName.NoReply, '');
    this.pass(parcel, sender, headerText(header, 'destination'), to.connection);
  }

  private pass(parcel: Parcel, sender: Connection, name: string, owner: Connection): void {
    const { attachment, envelope } = this;
    const { grants } = attachment.driver.registry;
    parcel.scan(envelope.header);
    const { facet, replyFacet } = grants.between(sender, owner);
    if (facet !== null && !facet.check(envelope.header)) {
      const why = reportDenial(attachment.driver.settings, sender, facet, envelope.header);
      return attachment.refuseParcel(parcel, ErrorName.AccessDenied, why);
    }
    const handle = owner.nameHandles.get(name);
    if (handle === undefined) {
      return attachment.refuseParcel(parcel, ...failureOf(SendStatus.BadHandle));
    }
    envelope.senderNumber = sender.number;
    envelope.replyFacet = replyFacet;
    const message = this.message.clear();
    message.note = envelope;
    const status = parcel.deliver(handle, message, attachment.host);
    if (status !== SendStatus.Sent) attachment.refuseParcel(parcel, ...failureOf(status));
  }
}

import type { Message, Node, Trace } from '#core/index.js';
import type { Host } from '#bridge/host/host.js';
import { INBOX, type NAME_NODE } from '#bridge/host/node-contexts.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { reportDenial } from '#bridge/driver/report-denial.js';
import {
  HandleRule,
  IncomingFault,
  NO_CALL,
  openPlace,
  type Place,
} from '#bridge/peer/incoming-check.js';
import { contentsOf, Parcel, type HandleHolder, type HeldHandle } from '#bridge/peer/parcel.js';
import { Participant } from '#bridge/peer/participant.js';
import { DRIVER_NUMBER, type Envelope } from '#bridge/registry/envelope.js';
import type { Attachment } from './attachment.js';
import { ForeignCall } from './foreign-call.js';
import type { GateSpot } from './gate.js';

/** What stand-ins keep with their nodes. */
export type StandInNodeContext = typeof INBOX | typeof NAME_NODE | ForeignCall | GateSpot;

export type StandInNode = Node<StandInNodeContext>;
/** A message that has arrived at a stand-in. A native peer may send capabilities along, which go no further. */
export type CarriedMessage = Message<Envelope, unknown, HandleHolder>;

/**
 * A peer of the bridge that stands for a connection or names of the other bus. What arrives here goes out through
 * the sender's uplink: it is appended there at the moment of the commit, as to any outbox.
 */
export abstract class StandIn extends Participant<StandInNodeContext, HandleHolder> {
  declare readonly host: Host;
  readonly attachment: Attachment;
  /** calls that went to the other bus through this peer, and whose replies come back through it */
  owedReplies = 0;

  constructor(attachment: Attachment, uid: number) {
    const { host } = attachment;
    super(host, host.userOf(uid));
    this.attachment = attachment;
    this.peer.takesDescriptors = attachment.takesDescriptors;
  }

  /** The unique name of this peer on the other bus; null: it has none. */
  abstract readonly farName: Uint8Array | null;

  /** The names under which this peer is known as a service. */
  abstract readonly serviceNames: readonly string[];

  protected placeOf({ context }: StandInNode): Place {
    place.awaitedSerial = context instanceof ForeignCall ? context.serial : NO_CALL;
    return place;
  }

  // hot
  protected take(
    { context }: StandInNode,
    message: CarriedMessage,
    trace: Trace,
    envelope: Envelope,
  ): void {
    if (message.origin !== 0 && !message.isOwned) {
      /* the other bus may read it later, when another message lies in its place */
      message.own();
      this.host.incoming.scan(message);
    }
    message.note = envelope;
    if (context instanceof ForeignCall) {
      context.uplink.outbound.answer(context, message, trace);
      if (message.receivedCount > 0) this.releaseLater(handlesOf(message));
      return;
    }
    const { senderNumber } = envelope;
    const isForeign = senderNumber !== DRIVER_NUMBER;
    const uplink = isForeign ? this.attachment.uplinks.of(senderNumber) : undefined;
    if (uplink === undefined) this.ignore(message, trace);
    else uplink.outbound.carry(this, message, trace, context === INBOX ? this.farName : null);
  }

  protected reject({ context }: StandInNode, message: CarriedMessage, trace: Trace): void {
    if (context instanceof ForeignCall) context.unanswered();
    if (this.host.incoming.fault === IncomingFault.Denied) this.denied(message, trace);
    else this.ignore(message, trace);
  }

  private denied(message: CarriedMessage, trace: Trace): void {
    const { attachment } = this;
    const { directory, incoming } = this.host;
    const { header, senderNumber } = incoming.envelope;
    const sender = directory.numbered.get(senderNumber)!;
    const why = reportDenial(attachment.driver.settings, sender, incoming.denying!, header);
    const parcel = new Parcel(contentsOf(message, trace, this.peer, sender));
    attachment.defer(() => attachment.refuseParcel(parcel, ErrorName.AccessDenied, why));
  }

  nodeReleased(handle: HeldHandle): void {
    handle.context?.lost(handle);
  }

  handleReleased(node: StandInNode): void {
    if (node.context instanceof ForeignCall) node.context.unanswered();
    else this.nodeAbandoned(node);
  }

  /** A reply came, or cannot come any more. */
  replySettled(): void {
    this.owedReplies--;
  }

  /** No handle to this node is left. */
  protected abstract nodeAbandoned(node: StandInNode): void;

  /** Gives back handles of a message that has arrived. Called inside the transaction. */
  releaseLater(handles: readonly HeldHandle[]): void {
    /* what knows which of them end in the meantime */
    const rest = new Parcel({ bytes: NO_BYTES, descriptors: null, handles, holder: this.peer });
    this.attachment.defer(() => rest.drop());
  }

  /** Discards a message, for instance one of the driver: the other bus has sent its own to the real connection. */
  private ignore(message: CarriedMessage, trace: Trace): void {
    trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
    if (message.receivedCount > 0) this.releaseLater(handlesOf(message));
  }
}

const place = openPlace(HandleRule.LastOwn);

const NO_BYTES = new Uint8Array(0);

function handlesOf({ received, receivedCount }: CarriedMessage): readonly HeldHandle[] {
  return received.slice(0, receivedCount);
}

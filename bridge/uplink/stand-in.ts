import type { Handle, Message, Node, Peer, Sink, Trace } from '#core/index.js';
import { Destination } from '#bridge/host/destinations.js';
import { INBOX, type NAME_NODE } from '#bridge/host/node-contexts.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { reportDenial } from '#bridge/driver/report-denial.js';
import { NO_CALL } from '#bridge/peer/incoming-check.js';
import { contentsOf, Parcel, type HandleHolder, type HeldHandle } from '#bridge/peer/parcel.js';
import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NUMBER, type Envelope } from '#bridge/registry/envelope.js';
import type { Facet } from '#policy/index.js';
import type { Attachment } from './attachment.js';
import { ForeignCall } from './foreign-call.js';
import type { GateSpot } from './gate.js';

/** What stand-ins keep with their nodes. */
export type StandInNodeContext = typeof INBOX | typeof NAME_NODE | ForeignCall | GateSpot;
/** What they keep with their handles. */
export type StandInHandleContext = Destination | HandleHolder;

export type StandInNode = Node<StandInNodeContext>;
/** A message that has arrived at a stand-in. A native peer may send capabilities along, which go no further. */
export type CarriedMessage = Message<Envelope, unknown, HandleHolder>;

/**
 * A peer of the bridge that stands for a connection or names of the other bus. What arrives here goes out through
 * the sender's uplink: it is appended there at the moment of the commit, as to any outbox.
 */
export abstract class StandIn implements Sink<StandInNodeContext, StandInHandleContext, Envelope> {
  readonly attachment: Attachment;
  readonly peer: Peer<StandInNodeContext, StandInHandleContext>;
  /** calls that went to the other bus through this peer, and whose replies come back through it */
  owedReplies = 0;

  constructor(attachment: Attachment, uid: number) {
    const { host } = attachment;
    this.attachment = attachment;
    this.peer = host.domain.openPeer({ user: host.userOf(uid), sink: this });
    this.peer.takesDescriptors = attachment.takesDescriptors;
  }

  /** The unique name of this peer on the other bus; null: it has none. */
  abstract readonly farName: Uint8Array | null;

  /** The names under which this peer is known as a service. */
  abstract readonly serviceNames: readonly string[];

  // hot
  accept(node: StandInNode, message: CarriedMessage, trace: Trace): void {
    const { context } = node;
    const awaitedSerial = context instanceof ForeignCall ? context.serial : NO_CALL;
    const checked = message.note;
    const envelope = checked ?? this.attachment.natives.read(message, awaitedSerial);
    if (checked === null && envelope !== null && this.denies(node, message, trace, envelope)) {
      return;
    }
    message.note = envelope;
    if (context instanceof ForeignCall) {
      this.answer(context, message, trace);
      return;
    }
    const isForeign = envelope !== null && envelope.senderNumber !== DRIVER_NUMBER;
    const uplink = isForeign ? this.attachment.uplinks.of(envelope.senderNumber) : undefined;
    if (uplink === undefined) this.ignore(message, trace);
    else uplink.outbound.carry(this, message, trace, context === INBOX ? this.farName : null);
  }

  // hot
  private answer(call: ForeignCall, message: CarriedMessage, trace: Trace): void {
    if (message.note !== null) {
      call.uplink.outbound.answer(call, message, trace);
      if (message.receivedCount > 0) this.releaseLater(handlesOf(message));
      return;
    }
    call.unanswered();
    this.ignore(message, trace);
  }

  /** Whether the policy denies a message of a native peer, which nobody has checked before. Then it has ended. */
  private denies(
    node: StandInNode,
    message: CarriedMessage,
    trace: Trace,
    { header, senderNumber }: Envelope,
  ): boolean {
    const { attachment } = this;
    const { registry, settings } = attachment.driver;
    const sender = registry.numbered.get(senderNumber);
    const facet = sender === undefined ? null : this.facetFor(sender, node);
    if (sender === undefined || facet === null || facet.check(header)) return false;
    const why = reportDenial(settings, sender, facet, header);
    if (node.context instanceof ForeignCall) node.context.unanswered();
    const parcel = new Parcel(contentsOf(message, trace, this.peer, sender));
    attachment.defer(() => attachment.refuseParcel(parcel, ErrorName.AccessDenied, why));
    return true;
  }

  /** The part of the policy that each message of `sender` to this node must still pass. */
  protected abstract facetFor(sender: Connection, node: StandInNode): Facet | null;

  nodeReleased(handle: Handle<StandInHandleContext>): void {
    const { context } = handle;
    if (context instanceof Destination) this.routeReleased(context);
    else context?.lost(handle);
  }

  handleReleased(node: StandInNode): void {
    if (node.context instanceof ForeignCall) node.context.unanswered();
    else this.nodeAbandoned(node);
  }

  /** A reply came, or cannot come any more. */
  replySettled(): void {
    this.owedReplies--;
  }

  /** The handle to this destination is dead. */
  protected abstract routeReleased(route: Destination): void;

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

const NO_BYTES = new Uint8Array(0);

function handlesOf({ received, receivedCount }: CarriedMessage): readonly HeldHandle[] {
  return received.slice(0, receivedCount);
}

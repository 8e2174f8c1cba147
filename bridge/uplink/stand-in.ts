import type { Handle, Message, Node, Peer, Sink, Trace } from '#core/index.js';
import { Destination } from '#bridge/host/destinations.js';
import { INBOX, type NAME_NODE } from '#bridge/host/node-contexts.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { NO_CALL, wantsReply } from '#bridge/peer/incoming-check.js';
import type { HandleHolder } from '#bridge/peer/parcel.js';
import type { Connection } from '#bridge/registry/connection.js';
import { denialOf } from '#bridge/registry/denial.js';
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
/** A message that has arrived at a stand-in: each handle that came with it is a reply handle. */
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
    if (checked === null && envelope !== null && this.denies(node, message, envelope)) {
      return this.ignore(message, trace);
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
      return;
    }
    call.unanswered();
    this.ignore(message, trace);
  }

  /** Whether the policy denies a message of a native peer, which nobody has checked before. */
  private denies(
    node: StandInNode,
    message: CarriedMessage,
    { header, senderNumber }: Envelope,
  ): boolean {
    const { driver } = this.attachment;
    const sender = driver.registry.numbered.get(senderNumber);
    const facet = sender === undefined ? null : this.facetFor(sender, node);
    if (sender === undefined || facet === null || facet.check(header)) return false;
    const denial = denialOf(facet, header);
    driver.settings.denied(sender, denial);
    if (node.context instanceof ForeignCall) node.context.unanswered();
    else if (wantsReply(header)) this.tellDenied(sender, message, header.serial, denial.why);
    return true;
  }

  private tellDenied(
    sender: Connection,
    message: CarriedMessage,
    serial: number,
    why: string,
  ): void {
    const reply = message.lastReceived;
    if (reply === null) return;
    this.attachment.defer(() => {
      const { driver } = this.attachment;
      const through = reply.live ? this.peer.copyHandle(reply, driver.peer) : undefined;
      driver.reply(sender, through, serial, 's', [why], ErrorName.AccessDenied);
    });
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

  /** Discards a message, for instance one of the driver: the other bus has sent its own to the real connection. */
  private ignore(message: CarriedMessage, trace: Trace): void {
    trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
    if (message.receivedCount === 0) return;
    const handles = message.received.slice(0, message.receivedCount);
    this.attachment.defer(() => this.peer.release(...handles.filter(({ live }) => live)));
  }
}

import { NewNode, SendStatus, type Trace } from '#core/index.js';
import { WIDE_ZERO } from '#core/stable-shape.js';
import { validateBody } from '#bridge/wire/body.js';
import { WireFault } from '#bridge/wire/faults.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { Connection } from '#bridge/registry/connection.js';
import { uniqueNumber, type Envelope } from '#bridge/registry/envelope.js';
import { secondTry } from '#bridge/registry/second-try.js';
import { beginsDBusMessage } from '#bridge/peer/incoming.js';
import type { Place } from '#bridge/peer/incoming-check.js';
import { Parcel } from '#bridge/peer/parcel.js';
import { Participant } from '#bridge/peer/participant.js';
import type { Facet } from '#policy/index.js';
import { MESSAGE_MAX_BYTES } from '#bridge/wire/limits.js';
import { Serials } from '#bridge/wire/serials.js';

import { Backlog } from './backlog.js';
import { DescriptorClaims } from './descriptor-claims.js';
import { Destination, Destinations } from './destinations.js';
import * as foreign from './foreign-messages.js';
import type { Host } from './host.js';
import { Inflow, ReadStatus, type MessageHandler } from './inflow.js';
import { CAPTURE } from './node-contexts.js';
import type {
  ArrivedMessage,
  Lookup,
  ReplyHandle,
  ShimHandle,
  ShimHandleContext,
  ShimMessage,
  ShimNode,
  ShimNodeContext,
} from './node-contexts.js';
import { Outbox } from './outbox.js';
import type { Program } from './program.js';
import * as refusals from './refusals.js';
import { replyByName, resolve } from './resolving.js';
import {
  newDriverDestination,
  routeAgain,
  routeCleaned,
  routeObserved,
  routeUndirected,
  sendToDriver,
} from './routes.js';
import { ReplyTable } from './reply-table.js';
import { FIELDS_MAX_BYTES, SENDER_FIELD_MAX_BYTES, SenderField } from './sender-field.js';
import { BYTES_SHIFT, TurnShare } from './turn-share.js';
import type { SocketCredentials } from './socket-credentials.js';
import { SocketOutput, type OutputOwner } from './socket-output.js';

/**
 * The peer that stands for one D-Bus connection: a socket on one side, handles on the other. What the client sends
 * is checked once, then goes through the handle that its destination leads to; what others send is appended to the
 * outbox, which is this peer's queue.
 */
export class Shim
  extends Participant<ShimNodeContext, ShimHandleContext>
  implements MessageHandler, OutputOwner
{
  declare readonly host: Host;
  readonly fd: number;
  readonly outbox: Outbox;
  readonly output: SocketOutput;
  readonly backlog = new Backlog(this);
  private readonly claims = new DescriptorClaims(this);
  readonly share: TurnShare;
  readonly inflow: Inflow;
  readonly hasUnixFds: boolean;
  readonly destinations = new Destinations();
  readonly replies = new ReplyTable();
  readonly senderField: SenderField;
  /** the client's credentials, from the kernel at the time it connected */
  credentials!: SocketCredentials;
  connection!: Connection;
  registry!: ShimHandle;
  driver!: Destination;

  live = true;
  isMonitor = false;
  /** serial of its BecomeMonitor call, and whether it accepts copies: only after the reply to that call */
  becomingSerial = -1;
  isWatching = false;
  isDirty = false;
  /** a request to the registry or driver has not been answered */
  private isAwaiting = false;
  /** the connections of the client's process; null: no others are known */
  program: Program | null = null;
  /** order, among waiting shims, in which its socket has become readable (`Waking`); 0: it has not */
  unreadAt = 0;
  /** continues within this turn, and reads nothing until then */
  isWoken = false;
  /** has sent more than its share, and is read again when its turn comes (`resume`) */
  private isPutOff = false;
  readonly isEdgeTriggered = true;
  /** the client writes nothing more: what is there is read to its end */
  private isEnding = false;
  /** the message that is routed when the wait is over, before all others */
  private held: { readonly parcel: Parcel; readonly lookup: Lookup } | null = null;

  incomingMessages = 0;
  incomingBytes = WIDE_ZERO;
  outgoingMessages = 0;
  outgoingBytes = WIDE_ZERO;
  /** messages that this shim answered with an error */
  refusals = 0;
  /** method calls of this connection that wait for their reply */
  pendingCalls = 0;

  /** of errors that are made here, apart from the driver's own */
  readonly errorSerials = new Serials(0x8000_0000);

  constructor(host: Host, fd: number, hasUnixFds: boolean, uid: number) {
    super(host, host.userOf(uid));
    this.share = new TurnShare(host.effort);
    this.fd = fd;
    this.hasUnixFds = hasUnixFds;
    this.peer.takesDescriptors = hasUnixFds;
    this.outbox = new Outbox(host.outboxes);
    this.output = new SocketOutput(this, host.poller, host.deadlines);
    const { maxMessageBytes, maxIncomingUnixFds } = host.limits;
    this.inflow = new Inflow(
      fd,
      host.window,
      host.outboxes.large,
      Math.min(maxMessageBytes, MESSAGE_MAX_BYTES - SENDER_FIELD_MAX_BYTES),
      hasUnixFds ? maxIncomingUnixFds : 0,
    );
    this.senderField = new SenderField(host.arena);
  }

  get number(): number {
    return this.connection.number;
  }

  /** First delivers pending messages from other processes: they may have caused this one. */
  // hot
  begin(): void {
    const { peers } = this.host;
    if (peers !== null) peers.shared.catchUp();
  }

  /** Checks and routes one whole message of the client. */
  // hot
  message(bytes: Uint8Array, view: DataView, start: number, end: number, isNext: boolean): boolean {
    if (!this.live) return false;
    const { host } = this;
    const { header } = host.envelope;
    let fault = header.scan(bytes, view, start, end, isNext);
    if (header.bodyStart - start > FIELDS_MAX_BYTES) fault ||= WireFault.FieldsTooLong;
    if (fault === 0) fault = validateBody(header);
    if (fault !== 0) return refusals.malformed(this, fault);
    this.incomingMessages++;
    this.incomingBytes += end - start;
    host.effort.spent++;
    if (header.unixFds > 0 && !this.claims.claim(header.unixFds)) return false;
    host.envelope.senderNumber = this.connection.number;
    if (header.senderFieldStart !== 0 || header.hasUnknownFields) routeCleaned(this, header);
    else if (host.directory.isObserved) routeObserved(this, header);
    else this.route(header);
    if (host.descriptors !== null) host.dropDescriptors();
    if (host.isUnsettled) host.settle();
    return this.live;
  }

  /** The type of a message and the handle that its destination leads to decide where it goes. */
  // hot
  route(header: MessageHeader): void {
    if (header.destinationLength === 0) {
      routeUndirected(this, header);
      return;
    }
    const { bytes, destinationOffset, destinationLength } = header;
    const destination = this.destinations.find(bytes, destinationOffset, destinationLength);
    if (destination !== null && destination.isDriver) {
      sendToDriver(this, header);
    } else if (this.connection.number < 0 || this.isMonitor) {
      refusals.speaksOutOfTurn(this);
    } else if (header.type === MessageType.MethodCall || header.type === MessageType.Signal) {
      this.sendTo(destination, header);
    } else if (header.type === MessageType.MethodReturn || header.type === MessageType.Error) {
      this.sendReply(header);
    } else {
      refusals.unknownType(this, header);
    }
  }

  /** A call or a directed signal, through the handle to its destination. */
  // hot
  private sendTo(known: Destination | null, header: MessageHeader): void {
    const { host } = this;
    let destination = known;
    if (destination === null) {
      destination = resolve(this, header);
      if (destination === null) return;
    } else if (!destination.isDecidedFor(this.connection)) {
      destination.decide(this.connection, host.grants);
    }
    const { facet } = destination;
    if (facet !== null && !host.permits(facet, header)) {
      refusals.denied(this, header, facet);
      return;
    }
    const message = this.compose(header);
    const isAwaited =
      header.type === MessageType.MethodCall && (header.flags & MessageFlag.NoReplyExpected) === 0;
    if (isAwaited) {
      if (this.pendingCalls >= this.connection.maxReplies(host.limits)) {
        refusals.tooManyCalls(this, header);
        return;
      }
      message.newNode = NewNode.OneShot;
      message.newNodeContext = header.serial;
      host.envelope.replyFacet = destination.replyFacet;
      this.pendingCalls++;
    }
    let status = this.peer.send(destination.handle, message);
    if (status === SendStatus.OverQuota) {
      status = secondTry(this.peer, destination.handle, message, host);
    }
    if (status !== SendStatus.Sent)
      refusals.notSent(this, header, message, status, destination.handle);
    else if (isAwaited && host.limits.replyTimeoutMs >= 0) {
      host.limitWaiting(this, message.createdNode!);
    }
  }

  /** A return or an error, through the reply handle that came with the call. */
  // hot
  private sendReply(header: MessageHeader): void {
    const { bytes, destinationOffset, destinationLength, replySerial } = header;
    const caller = uniqueNumber(bytes, destinationOffset, destinationLength);
    const handle = this.replies.take(caller, replySerial);
    if (handle !== null) this.passReply(header, handle);
    else replyByName(this, header);
  }

  // hot
  passReply(header: MessageHeader, handle: ReplyHandle): void {
    const facet = handle.context;
    if (facet !== null && !this.host.permits(facet, header)) {
      refusals.denied(this, header, facet);
      this.peer.release(handle);
      return;
    }
    const status = this.peer.send(handle, this.compose(header));
    if (status !== SendStatus.Sent) refusals.replyNotSent(this, header, handle, status);
    /* it leads to a native peer's node that takes more than one message */
    if (handle.live) this.peer.release(handle);
  }

  /** The client's bytes with our SENDER field after its own fields: header, sender, body. */
  // hot
  compose(header: MessageHeader): ShimMessage {
    const { host, senderField } = this;
    const { bytes, view, start, bodyStart, end, littleEndian } = header;
    const message = host.message.clear();
    message.note = host.envelope;
    message.descriptors = host.descriptors;
    if (senderField.fieldBytes > 0) {
      const fieldsBytes = bodyStart - start - 16 + senderField.fieldBytes;
      view.setUint32(start + 12, fieldsBytes, littleEndian);
    }
    message.addPiece(bytes, start, bodyStart - start);
    if (senderField.fieldBytes > 0) {
      message.addPiece(
        senderField.bytes,
        senderField.offset(littleEndian),
        senderField.paddedBytes,
      );
    }
    if (end > bodyStart) message.addPiece(bytes, bodyStart, end - bodyStart);
    return message;
  }

  /** Participant: a message for the client, or a copy for a monitor, goes to the end of the outbox. */
  // hot
  protected take(node: ShimNode, message: ArrivedMessage, trace: Trace, envelope: Envelope): void {
    const { context } = node;
    /* drops copies that other hosts send before the reply that makes it a monitor */
    if (context === CAPTURE && !this.isWatching) {
      return trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
    }
    const isForeign = message.origin !== 0;
    if (isForeign && !foreign.fitsSocket(this, node, message, trace, envelope)) return;
    if (typeof context === 'number') {
      this.pendingCalls--;
      if (context === this.becomingSerial) this.isWatching = true;
    }
    const reply = message.lastReceived;
    if (reply !== null) {
      reply.context = envelope.replyFacet;
      this.replies.add(envelope.senderNumber, envelope.header.serial, reply);
    }
    this.outgoingMessages++;
    this.outgoingBytes += message.lengthBytes;
    this.host.effort.spent += 1 + (message.lengthBytes >> BYTES_SHIFT);
    if (isForeign) this.outbox.appendForeign(message, trace);
    else this.outbox.append(message, trace);
    if (this.output.isBlocked) this.backlog.review();
    if (!this.isDirty) this.host.markDirty(this);
  }

  protected reject(node: ShimNode, message: ArrivedMessage, trace: Trace): void {
    this.host.reject(this, node, message, trace, foreign.verdictOn(this.host.incoming));
  }

  protected override obey(node: ShimNode, message: ArrivedMessage, trace: Trace): void {
    this.host.acceptControl(this, node, message, trace);
  }

  // hot
  protected placeOf(node: ShimNode): Place {
    return foreign.placeOf(this, node);
  }

  // hot
  protected override facetFor(sender: Connection, node: ShimNode): Facet | null {
    return foreign.facetFor(this, sender, node);
  }

  /** Sink: a name that we have sent to or asked for is gone, or a caller to whom we owe a reply. */
  nodeReleased(handle: ShimHandle): void {
    const { context, node } = handle;
    const { sink } = node.owner;
    if (handle === this.driver.handle) this.host.continueWith(this);
    else if (context instanceof Destination) this.destinations.remove(context);
    else if (!(sink instanceof Shim)) this.replies.drop(handle);
    else if (typeof node.context === 'number')
      this.replies.remove(handle, sink.number, node.context);
    /* Otherwise the handle is that of a lookup whose answer has not been processed yet. */
  }

  /**
   * Sink: messages to the shim itself do not wait for the client to read. A message for the client is taken while
   * its sender is within its share; one from another process is checked when it has arrived.
   */
  override takesWhenFull(firstByte: number, trace: Trace | null, lengthBytes: number): boolean {
    if (trace === null || (firstByte >= 0 && !beginsDBusMessage(firstByte))) return true;
    return this.backlog.limitReached(trace, lengthBytes) === undefined;
  }

  /** Sink: a call of ours, or a request to the registry, can no longer be answered; other nodes need no action. */
  handleReleased(node: ShimNode): void {
    const { context } = node;
    if (typeof context !== 'number') return this.host.lostRegistry(this, node);
    this.pendingCalls--;
    if (this.live) this.host.noReply(this, context);
  }

  /** No more messages are taken from the client for now. */
  // hot
  get isWaiting(): boolean {
    return this.isAwaiting || this.held !== null || this.program?.isSettling === true;
  }

  // hot
  get takesMore(): boolean {
    return !this.share.isUsedUp && !this.isWaiting;
  }

  /** Takes nothing more from the client until `answered`. */
  wait(): void {
    this.isAwaiting = true;
    this.program?.waits(this);
  }

  /** The answer that the shim waited for has arrived. */
  answered(): void {
    this.isAwaiting = false;
    this.program?.goesOn(this);
  }

  /** Like `wait`, and routes this message afterwards, before all others. */
  hold(header: MessageHeader, lookup: Lookup): void {
    this.held = { parcel: Parcel.copy(header, this.host.descriptors), lookup };
    this.wait();
  }

  get isHolding(): boolean {
    return this.held !== null;
  }

  /** Routes the held message and resumes reading, if nothing has to be waited for any more. */
  goOn(): void {
    const { held, host } = this;
    if (held !== null && !held.lookup.isAnswered) return;
    this.held = null;
    if (held !== null) {
      routeAgain(this, held.parcel, held.lookup);
      if (host.descriptors !== null) host.dropDescriptors();
      if (host.isUnsettled) host.settle();
    }
    if (!this.live || this.isWaiting) return;
    this.share.open();
    this.readUntil(this.inflow.resume(this));
    if (this.inflow.hasRest && !this.isWaiting) this.putOff();
  }

  /** A name leads to another node now. */
  forgetName(name: Uint8Array): void {
    const handle = this.destinations.forget(name);
    if (handle?.live === true) this.peer.release(handle);
  }

  /** The driver has admitted the connection: messages can be sent and received from now on. */
  attach(connection: Connection, driver: ShimHandle, registry: ShimHandle): void {
    this.connection = connection;
    this.registry = registry;
    this.driver = newDriverDestination(this, driver);
  }

  /** The socket is readable: one system call, and every message that is complete after it. */
  // hot
  readable(isEnding: boolean): void {
    if (isEnding) this.isEnding = true;
    const { inflow, host } = this;
    if (this.isWaiting || this.isWoken) return host.waking.noteUnread(this);
    if (this.isPutOff) return;
    this.share.open();
    if (this.share.isMostlyUsed) return this.putOff();
    const messages = this.incomingMessages;
    this.unreadAt = 0;
    this.readUntil(inflow.read(this));
    /* a single message is what we were woken for; of several, some may have arrived after that */
    if (this.incomingMessages - messages !== 1 || inflow.waitingBytes > 0)
      host.poller.isStale = true;
    if (!this.live) return;
    const isAllRead = inflow.isDrained && !this.isEnding;
    if (this.isWaiting) {
      if (!isAllRead) host.waking.noteUnread(this);
    } else if (inflow.hasRest || !isAllRead) {
      if (this.share.isMostlyUsed) this.putOff();
      else host.poller.again(this);
    }
  }

  /** Bytes and descriptors that came together with the end of the handshake. */
  feed(bytes: Uint8Array, descriptors: readonly number[]): void {
    this.share.open();
    this.readUntil(this.inflow.feed(this, bytes, descriptors));
    if (this.inflow.hasRest && !this.isWaiting) this.putOff();
  }

  /** The client has had its share of this turn. */
  private putOff(): void {
    if (this.isPutOff) return;
    this.isPutOff = true;
    this.host.poller.putOff(this);
  }

  resume(): void {
    this.isPutOff = false;
    this.share.isWithoutPause = true;
    this.readable(false);
    this.share.isWithoutPause = false;
  }

  // hot
  private readUntil(status: number): void {
    if (status !== ReadStatus.Ok && this.live) refusals.endOfStream(this, status);
    this.claims.review();
  }

  writable(): void {
    this.output.writable();
  }

  // hot
  flush(): void {
    this.output.flush();
  }

  // hot
  drained(): void {
    this.backlog.clear();
  }

  heldUp(): void {
    this.backlog.review();
  }

  brokenPipe(errno: number): void {
    refusals.brokenPipe(this, errno);
  }

  /** Releases everything but the socket, which the host closes. */
  close(): void {
    this.live = false;
    this.held?.parcel.drop();
    this.claims.cancel();
    this.peer.close();
    this.outbox.close();
    this.inflow.close();
    this.senderField.close();
  }
}

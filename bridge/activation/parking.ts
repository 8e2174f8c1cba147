import {
  Message,
  SendStatus,
  type Handle,
  type LocalDomain,
  type Node,
  type Peer,
  type ResourceUser,
  type Sink,
  type Trace,
} from '#core/index.js';
import type { Driver } from '#bridge/driver/driver.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { STATUS_TEXTS } from '#bridge/driver/messages.js';
import type { Connection } from '#bridge/registry/connection.js';
import { checkIncoming, IncomingFault, NODE_OF_SENDER } from '#bridge/peer/incoming-check.js';
import { Envelope } from '#bridge/registry/envelope.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { headerText } from '#bridge/wire/header-text.js';
import { denialOf } from '#bridge/registry/denial.js';
import type { Facet } from '#policy/index.js';
import type { ActivationFailure } from '#bridge/driver/activation-failure.js';
import { ParkedMessage, type ParkingMessage, type ParkingSpot } from './parked-message.js';

/**
 * The peer that receives messages for names without an owner. Every sender has a node of its own here for each such
 * name, which ends when the sender no longer needs it. When the wait for a name is over its nodes are released: the
 * cached handles of senders die, and they ask the registry again.
 */
export class Parking implements Sink<ParkingSpot, ParkedMessage, Envelope> {
  readonly peer: Peer<ParkingSpot, ParkedMessage>;
  private readonly driver: Driver;
  private readonly onArrival: () => void;
  private readonly nodes = new Map<string, Set<Node<ParkingSpot>>>();
  private arrivals: ParkedMessage[] = [];
  private readonly foreign = new Envelope();
  /** handles that came with messages that are not passed on */
  private readonly refused: Handle[] = [];
  private readonly message = new Message<Envelope, never>();
  private readonly envelope = new Envelope();

  /**
   * @param user is charged, on behalf of the senders, for the messages that wait
   * @param onArrival is called when `takeArrivals` would return something
   */
  constructor(domain: LocalDomain, user: ResourceUser, driver: Driver, onArrival: () => void) {
    this.peer = domain.openPeer({ user, sink: this });
    this.driver = driver;
    this.onArrival = onArrival;
  }

  /** Makes a node where messages of `sender` for `name` wait, and returns the registry's handle to it. */
  open(name: string, sender: Connection): Handle {
    const { node, handle } = this.peer.createNode(this.driver.registry.peer);
    node.context = { name, sender };
    let nodes = this.nodes.get(name);
    if (nodes === undefined) this.nodes.set(name, (nodes = new Set()));
    nodes.add(node);
    return handle;
  }

  /** Names with a node that some handle leads to. */
  get names(): string[] {
    return [...this.nodes.keys()];
  }

  /** The wait for `name` is over: senders resolve it anew. Messages that they have sent before that still arrive. */
  close(name: string): void {
    const nodes = this.nodes.get(name);
    if (nodes === undefined) return;
    this.nodes.delete(name);
    this.peer.drain(...nodes);
  }

  /** The messages that have arrived since the last call, oldest first. */
  takeArrivals(): readonly ParkedMessage[] {
    if (this.refused.length > 0) {
      this.peer.release(...this.refused.splice(0).filter(({ live }) => live));
    }
    const { arrivals } = this;
    if (arrivals.length > 0) this.arrivals = [];
    return arrivals;
  }

  accept(node: Node<ParkingSpot>, message: ParkingMessage, trace: Trace): void {
    const spot = node.context!;
    const header = this.headerOf(spot, message);
    if (header === null) {
      trace.discharge(1, message.lengthBytes, message.descriptors?.count ?? 0);
      this.refused.push(...message.received.slice(0, message.receivedCount));
    } else this.arrivals.push(new ParkedMessage(this, spot, message, trace, header));
    this.onArrival();
  }

  /**
   * The header as the sender's shim has parsed it, or parsed here for a message from another process; null: the
   * message is not valid.
   */
  private headerOf({ name, sender }: ParkingSpot, message: ParkingMessage): MessageHeader | null {
    if (message.note !== null) return message.note.header;
    const bytes = message.copyBytes();
    const { header } = this.foreign;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (header.scan(bytes, view, 0, bytes.length) !== 0) return null;
    if (!sender.isNative) return header;
    const fault = checkIncoming(header, message, sender, NODE_OF_SENDER);
    const isForName = headerText(header, 'destination') === name && header.senderLength > 0;
    return fault === IncomingFault.None && isForName ? header : null;
  }

  /** A caller has left. */
  nodeReleased({ context: parked }: Handle<ParkedMessage>): void {
    if (parked !== null) parked.reply = null;
  }

  /** A sender has released its handle to its node. */
  handleReleased(node: Node<ParkingSpot>): void {
    const { name } = node.context!;
    const nodes = this.nodes.get(name);
    nodes?.delete(node);
    if (nodes?.size === 0) this.nodes.delete(name);
  }

  /**
   * Whether a service may be started for this message. The host of a client has checked the policy already; a native
   * peer is checked here, and gets the error.
   */
  admits(parked: ParkedMessage): boolean {
    const { waiter, name } = parked;
    if (!waiter.isNative) return true;
    const { facet } = this.driver.registry.grants.withServiceToStart(waiter, name);
    if (facet === null || facet.check(this.scan(parked))) return true;
    this.deny(parked, facet);
    return false;
  }

  /** Passes a message on to the owner of its name, if the policies of both sides let it pass. */
  deliver(parked: ParkedMessage, owner: Connection): void {
    /* the owner has left again: there will be no answer */
    if (!owner.inbox.live) return this.free(parked);
    const { grants } = this.driver.registry;
    const { facet, replyFacet } = grants.between(parked.waiter, owner);
    const header = this.scan(parked);
    if (facet !== null && !facet.check(header)) return this.deny(parked, facet);
    this.envelope.senderNumber = parked.waiter.number;
    this.envelope.replyFacet = replyFacet;
    const status = this.send(parked, owner);
    if (status === SendStatus.Sent) return this.free(parked);
    const [errorName, message] = STATUS_TEXTS[status];
    this.refuse(parked, { errorName, message });
  }

  /**
   * Answers with an error, to a signal as well, whose sender would not learn of the failure otherwise. Only a call
   * that expects no reply gets none.
   */
  fail(parked: ParkedMessage, failure: ActivationFailure): void {
    if (parked.reply !== null || parked.isSignal) this.tell(parked, failure);
    this.free(parked);
  }

  drop(parked: ParkedMessage): void {
    this.free(parked);
  }

  private scan({ bytes }: ParkedMessage): MessageHeader {
    const { header } = this.envelope;
    header.scan(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
    return header;
  }

  private send(parked: ParkedMessage, owner: Connection): SendStatus {
    const isUnique = parked.name.startsWith(':');
    /* an owner whose name node has not arrived yet is reached through its inbox */
    const named = isUnique ? undefined : owner.nameHandles.get(parked.name);
    const name = named?.live === true ? named : owner.inbox;
    const message = this.message.clear();
    message.note = this.envelope;
    message.descriptors = parked.descriptors;
    message.addPiece(parked.bytes, 0, parked.bytes.length);
    if (parked.reply !== null) message.addTransfer(parked.reply);
    const handle = this.driver.registry.peer.copyHandle(name, this.peer);
    const status = this.peer.send(handle, message);
    this.peer.release(handle);
    return status;
  }

  private deny(parked: ParkedMessage, facet: Facet): void {
    const denial = denialOf(facet, this.envelope.header);
    this.driver.settings.denied(parked.waiter, denial);
    this.refuse(parked, { errorName: ErrorName.AccessDenied, message: denial.why });
  }

  /** The message had been accepted: its sender gets the error even if it expects no reply, as if sent just now. */
  private refuse(parked: ParkedMessage, failure: ActivationFailure): void {
    this.tell(parked, failure);
    this.free(parked);
  }

  /** Errors come from the bus itself, through the reply handle if there is one. */
  private tell({ waiter, serial, reply }: ParkedMessage, failure: ActivationFailure): void {
    const through =
      reply === null ? waiter.driverInbox : this.peer.copyHandle(reply, this.driver.peer);
    this.driver.reply(waiter, through, serial, 's', [failure.message], failure.errorName);
  }

  /** Discharges the message, and releases its descriptors and reply handle. */
  private free(parked: ParkedMessage): void {
    const { bytes, descriptors, trace, reply } = parked;
    trace.discharge(1, bytes.length, descriptors?.count ?? 0);
    descriptors?.drop();
    parked.reply = null;
    if (reply !== null) this.peer.release(reply);
  }
}

import type { Handle, LocalDomain, Message, Node, Peer } from '#core/index.js';
import type { ResourceUser, Sink, Trace } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Envelope } from '#bridge/registry/envelope.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import type { Facet } from '#policy/index.js';
import { isDBusMessage, type Incoming } from './incoming.js';
import { checkIncoming, IncomingFault, type Place } from './incoming-check.js';

/** What participants need of the thread that they live in. */
export interface ParticipantHost {
  readonly domain: LocalDomain;
  readonly incoming: Incoming;
  /** connections by the numbers of their unique names */
  readonly directory: { readonly numbered: ReadonlyMap<number, Connection> };
  /** Whether this is a process of the bus, which has checked what it sends. */
  isOurs(process: number): boolean;
  /** Whether the policy lets the message pass. `sender`: the number of its sender. */
  permits(facet: Facet, header: MessageHeader, sender: number): boolean;
}

/**
 * A peer of the bus that takes what arrives at its nodes at the moment of the commit. Each subclass is a role: a D-Bus
 * connection, a stand-in for another bus, the place where messages wait for a service, and so on.
 *
 * What arrives is checked here, once, by how far its sender is trusted. A sender in this thread hands over the header
 * that it has read and checked (`Message.note`). A process of the bus has checked its message, so only the header is
 * read. A message of any other process is checked as a whole, and judged by the policy if the role says so.
 *
 * All methods of a role are called inside the transaction: see `Sink` for what they must not do. A role that keeps a
 * message makes a parcel of it.
 */
export abstract class Participant<NodeContext, HandleContext> implements Sink<
  NodeContext,
  HandleContext,
  Envelope
> {
  readonly host: ParticipantHost;
  readonly peer: Peer<NodeContext, HandleContext>;

  /** @param user is charged for what arrives */
  constructor(host: ParticipantHost, user: ResourceUser) {
    this.host = host;
    this.peer = host.domain.openPeer({ user, sink: this });
  }

  // hot
  accept(
    node: Node<NodeContext>,
    message: Message<Envelope, unknown, HandleContext>,
    trace: Trace,
  ): void {
    const envelope = message.note ?? this.read(node, message, trace);
    if (envelope !== null) this.take(node, message, trace, envelope);
  }

  /** Takes a D-Bus message that may arrive at this node, with all that came with it. */
  protected abstract take(
    node: Node<NodeContext>,
    message: Message<Envelope, unknown, HandleContext>,
    trace: Trace,
    envelope: Envelope,
  ): void;

  /** Gives back what came with a message that is not passed on: `incoming` says why. */
  protected abstract reject(
    node: Node<NodeContext>,
    message: Message<Envelope, unknown, HandleContext>,
    trace: Trace,
  ): void;

  /** Takes a control message of the bus; for most roles there are none. */
  protected obey(
    node: Node<NodeContext>,
    message: Message<Envelope, unknown, HandleContext>,
    trace: Trace,
  ): void {
    this.host.incoming.fault = IncomingFault.Body;
    this.reject(node, message, trace);
  }

  /** What this node requires of a message of a native peer; null: none may arrive here. Valid until the next call. */
  protected abstract placeOf(node: Node<NodeContext>): Place | null;

  /** The part of the policy that a message of this native peer to the node must still pass; null: it is not judged. */
  protected facetFor(_sender: Connection, _node: Node<NodeContext>): Facet | null {
    return null;
  }

  abstract nodeReleased(handle: Handle<HandleContext>): void;

  abstract handleReleased(node: Node<NodeContext>): void;

  takesWhenFull?(firstByte: number, trace: Trace | null, lengthBytes: number): boolean;

  /** The envelope of a message that nobody in this thread has read; null: it must not be taken, and was rejected. */
  // hot
  private read(
    node: Node<NodeContext>,
    message: Message<Envelope, unknown, HandleContext>,
    trace: Trace,
  ): Envelope | null {
    const { host } = this;
    if (isDBusMessage(message) ? message.origin === 0 : host.isOurs(message.origin)) {
      this.obey(node, message, trace);
      return null;
    }
    const { incoming } = host;
    incoming.fault = this.faultOf(node, message);
    if (incoming.fault === IncomingFault.None) return incoming.envelope;
    this.reject(node, message, trace);
    return null;
  }

  // hot
  private faultOf(node: Node<NodeContext>, message: Message): IncomingFault {
    const { directory, incoming } = this.host;
    if (!incoming.scan(message)) return IncomingFault.Body;
    if (this.host.isOurs(message.origin)) return IncomingFault.None;
    const place = this.placeOf(node);
    if (place === null) return IncomingFault.Place;
    const { header, senderNumber } = incoming.envelope;
    const sender = directory.numbered.get(senderNumber);
    const fault = checkIncoming(header, message, sender, place);
    if (fault !== IncomingFault.None || sender === undefined) return fault;
    const facet = this.facetFor(sender, node);
    if (facet === null || this.host.permits(facet, header, senderNumber)) return IncomingFault.None;
    incoming.denying = facet;
    return IncomingFault.Denied;
  }
}

import {
  Message,
  SendStatus,
  type Handle,
  type Node,
  type ResourceUser,
  type Trace,
} from '#core/index.js';
import type { Driver } from '#bridge/driver/driver.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import { reportDenial } from '#bridge/driver/report-denial.js';
import type { Connection } from '#bridge/registry/connection.js';
import { NODE_OF_SENDER, type Place } from '#bridge/peer/incoming-check.js';
import { contentsOf, Parcel, type HandleHolder } from '#bridge/peer/parcel.js';
import { Participant, type ParticipantHost } from '#bridge/peer/participant.js';
import { Envelope } from '#bridge/registry/envelope.js';
import type { Quotas } from '#bridge/registry/second-try.js';
import { failureOf } from '#bridge/registry/send-failure.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { headerText } from '#bridge/wire/header-text.js';
import type { Facet } from '#policy/index.js';
import type { Waiting } from '#bridge/driver/service-starter.js';

/** The `context` of a parking node: whose messages arrive there, and for which name. */
interface ParkingSpot {
  readonly name: string;
  readonly sender: Connection;
}

/** A message that arrives at a parking node. */
type ParkingMessage = Message<Envelope, unknown, HandleHolder>;

/** A call or a directed signal for a name that has no owner yet, still charged to its sender. */
export interface Parked extends Waiting {
  readonly waiter: Connection;
  readonly name: string;
  readonly parcel: Parcel;
  readonly flags: number;
}

/**
 * The peer that receives messages for names without an owner. Every sender has a node of its own here for each such
 * name, which ends when the sender no longer needs it. When the wait for a name is over its nodes are released: the
 * cached handles of senders die, and they ask the registry again.
 */
export class Parking extends Participant<ParkingSpot, HandleHolder> {
  private readonly driver: Driver;
  private readonly quotas: Quotas;
  private readonly onArrival: () => void;
  private readonly nodes = new Map<string, Set<Node<ParkingSpot>>>();
  private arrivals: Parked[] = [];
  /** messages that are not valid, or not for this name */
  private readonly refused: Parcel[] = [];
  private readonly message = new Message<Envelope, never>();
  private readonly envelope = new Envelope();

  /**
   * @param user is charged, on behalf of the senders, for the messages that wait
   * @param onArrival is called when `takeArrivals` would return something
   */
  constructor(
    user: ResourceUser,
    driver: Driver,
    host: ParticipantHost & Quotas,
    onArrival: () => void,
  ) {
    super(host, user);
    this.driver = driver;
    this.quotas = host;
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
    this.peer.drainAll([...nodes]);
  }

  /** The messages that have arrived since the last call, oldest first. */
  takeArrivals(): readonly Parked[] {
    const { arrivals, refused } = this;
    if (refused.length > 0) for (const parcel of refused.splice(0)) parcel.drop();
    if (arrivals.length > 0) this.arrivals = [];
    return arrivals;
  }

  protected placeOf(): Place {
    return NODE_OF_SENDER;
  }

  protected take(
    node: Node<ParkingSpot>,
    message: ParkingMessage,
    trace: Trace,
    envelope: Envelope,
  ): void {
    const spot = node.context!;
    if (!isFor(spot, envelope)) return this.reject(node, message, trace);
    const parcel = new Parcel(contentsOf(message, trace, this.peer, spot.sender));
    this.arrivals.push(this.parked(spot, parcel, envelope.header));
    this.onArrival();
  }

  protected reject(_node: Node<ParkingSpot>, message: ParkingMessage, trace: Trace): void {
    this.refused.push(new Parcel(contentsOf(message, trace, this.peer)));
    this.onArrival();
  }

  private parked({ name, sender }: ParkingSpot, parcel: Parcel, header: MessageHeader): Parked {
    const parked: Parked = {
      waiter: sender,
      name,
      parcel,
      flags: header.flags,
      deliver: (owner) => this.deliver(parked, owner),
      /* as for every refusal, also of a signal, or of a call that expects no reply */
      fail: ({ errorName, message }) => parcel.refuse(this.driver, errorName, message),
      drop: () => parcel.drop(),
    };
    return parked;
  }

  /** A caller has left. */
  nodeReleased(handle: Handle<HandleHolder>): void {
    handle.context?.lost(handle);
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
  admits({ waiter, name, parcel }: Parked): boolean {
    if (!waiter.isNative) return true;
    const { facet } = this.driver.registry.grants.withServiceToStart(waiter, name);
    if (facet === null || facet.check(this.scan(parcel))) return true;
    this.deny(waiter, parcel, facet);
    return false;
  }

  /** Passes a message on to the owner of its name, if the policies of both sides let it pass. */
  private deliver({ waiter, name, parcel }: Parked, owner: Connection): void {
    /* the owner has left again: there will be no answer */
    if (!owner.inbox.live) return parcel.drop();
    const { facet, replyFacet } = this.driver.registry.grants.between(waiter, owner);
    const header = this.scan(parcel);
    if (facet !== null && !facet.check(header)) return this.deny(waiter, parcel, facet);
    this.envelope.senderNumber = waiter.number;
    this.envelope.replyFacet = replyFacet;
    /* clients of the socket have no use for capabilities */
    const withArguments = owner.isNative;
    if (withArguments && parcel.hasLostArgument) {
      return parcel.refuse(this.driver, ErrorName.UnknownObject, capabilityLost(name));
    }
    const message = this.message.clear();
    message.note = this.envelope;
    const status = parcel.deliver(handleTo(name, owner), message, this.quotas, withArguments);
    if (status !== SendStatus.Sent) parcel.refuse(this.driver, ...failureOf(status));
  }

  private scan(parcel: Parcel): MessageHeader {
    const { header } = this.envelope;
    parcel.scan(header);
    return header;
  }

  /** The message had been accepted: its sender gets the error even if it expects no reply, as if sent just now. */
  private deny(waiter: Connection, parcel: Parcel, facet: Facet): void {
    const why = reportDenial(this.driver.settings, waiter, facet, this.envelope.header);
    parcel.refuse(this.driver, ErrorName.AccessDenied, why);
  }
}

/** A native peer may send in its own name only, and for the name that it has asked for; a host sees to that itself. */
function isFor({ name, sender }: ParkingSpot, { header, senderNumber }: Envelope): boolean {
  if (!sender.isNative) return true;
  return senderNumber === sender.number && headerText(header, 'destination') === name;
}

function capabilityLost(name: string): string {
  return `an object that was sent along in this call to '${name}' ended before the service had started`;
}

/** An owner whose name node has not arrived yet, and each unique name, is reached through its inbox. */
function handleTo(name: string, owner: Connection): Handle {
  const named = name.startsWith(':') ? undefined : owner.nameHandles.get(name);
  return named?.live === true ? named : owner.inbox;
}

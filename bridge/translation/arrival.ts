import type { Message, Peer, Trace } from '#core/index.js';
import { decodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { IncomingFault, type Place } from '#bridge/peer/incoming-check.js';
import { contentsOf, Parcel, type HandleHolder } from '#bridge/peer/parcel.js';
import type { Envelope } from '#bridge/registry/envelope.js';

/** A message that came in on a node of a translating peer, kept until the transaction that brought it is over. */
export class Arrival extends Parcel {
  /** the process that it came from; 0: this one */
  readonly origin: number;
  /** why it must not be passed on */
  readonly fault: IncomingFault;

  /** Called inside the transaction. */
  constructor(
    message: Message<Envelope, unknown, HandleHolder>,
    trace: Trace,
    holder: Peer,
    fault: IncomingFault = IncomingFault.None,
  ) {
    super(contentsOf(message, trace, holder));
    this.origin = message.origin;
    this.fault = fault;
  }

  /** Undefined: it must not be passed on, or its body cannot be read. */
  read(): DecodedMessage | undefined {
    if (this.fault !== IncomingFault.None) return undefined;
    try {
      const message = decodeMessage(this.bytes);
      return (message.unixFds ?? 0) === (this.descriptors?.count ?? 0) ? message : undefined;
    } catch {
      return undefined;
    }
  }

  /** Runs `use`, and drops the message even if that throws. */
  dropAfter(use: () => void): void {
    try {
      use();
    } finally {
      this.drop();
    }
  }

  /** The call of an unknown caller, so that it can be refused with a reason; undefined for other faults. */
  unknownCaller(): DecodedMessage | undefined {
    return this.fault === IncomingFault.Sender ? decodeMessage(this.bytes) : undefined;
  }
}

/** The `context` of a node of a translating peer. Its methods are called after the transaction. */
export interface NodeContext {
  /** what a message of a native peer has to be; null: only processes of the bus send here */
  readonly place: Place | null;
  /** A message came in; `arrival` has to be dropped once it has been processed (`Arrival.dropAfter`). */
  arrived(arrival: Arrival): void;
  /** No handle to the node is left. */
  abandoned(): void;
}

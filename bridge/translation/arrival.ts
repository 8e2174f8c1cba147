import type { Message, Peer, Trace } from '#core/index.js';
import { decodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import {
  checkIncoming,
  IncomingFault,
  HandleRule,
  type Sender,
} from '#bridge/peer/incoming-check.js';
import { contentsOf, Parcel, type HandleHolder } from '#bridge/peer/parcel.js';
import { uniqueNumber, type Envelope } from '#bridge/registry/envelope.js';
import { MessageHeader } from '#bridge/wire/header.js';

/** Who is on the bus, as a translator knows it. */
export interface Registry {
  /** Whether a process is trusted to pass on only messages that it has checked. */
  isTrusted(process: number): boolean;
  /** The connection with the unique name `:1.N`. */
  senderOf(number: number): Sender | undefined;
}

/** A message that came in on a node of a translating peer, kept until the transaction that brought it is over. */
export class Arrival extends Parcel {
  /** the process that it came from; 0: this one */
  readonly origin: number;
  /** why `read` has refused the message */
  fault: IncomingFault = IncomingFault.None;
  /** handles from this index on lead to nodes of the process that sent the message */
  readonly ownFrom: number;
  readonly receivedCount: number;

  /** Called inside the transaction. */
  constructor(message: Message<Envelope, unknown, HandleHolder>, trace: Trace, holder: Peer) {
    super(contentsOf(message, trace, holder));
    this.origin = message.origin;
    this.ownFrom = message.ownFrom;
    this.receivedCount = message.receivedCount;
  }

  /**
   * Decodes the message, if it may arrive at a node where a call with `awaitedSerial` is answered, or where calls and
   * signals arrive (`NO_CALL`). Undefined: it may not; `fault` says why.
   */
  read(registry: Registry, awaitedSerial: number): DecodedMessage | undefined {
    const { bytes } = this;
    this.fault = IncomingFault.Body;
    if (this.scan(header) !== 0) return undefined;
    if (registry.isTrusted(this.origin)) return this.decode();
    const number = uniqueNumber(bytes, header.senderOffset, header.senderLength);
    const place = {
      awaitedSerial,
      isSenderImplied: false,
      handles: HandleRule.ReplyOwn,
      receiver: -1,
    };
    this.fault = checkIncoming(header, this, registry.senderOf(number), place);
    return this.fault === IncomingFault.None ? decodeMessage(bytes) : undefined;
  }

  /** Runs `use`, and drops the message even if that throws. */
  dropAfter(use: () => void): void {
    try {
      use();
    } finally {
      this.drop();
    }
  }

  /** Decodes a message that a trusted process has checked already. */
  private decode(): DecodedMessage | undefined {
    try {
      const message = decodeMessage(this.bytes);
      return (message.unixFds ?? 0) === (this.descriptors?.count ?? 0) ? message : undefined;
    } catch {
      return undefined;
    }
  }

  /** The call of an unknown caller, so that it can be refused with a reason; undefined for other faults. */
  unknownCaller(): DecodedMessage | undefined {
    return this.fault === IncomingFault.Sender ? decodeMessage(this.bytes) : undefined;
  }
}

const header = new MessageHeader();

import type { DescriptorSet, Handle, Trace } from '#core/index.js';
import type { Facet } from '#policy/index.js';
import type { CarriedMessage, ReplyHolder, StandIn } from './stand-in.js';

/** A client's message that cannot go out yet, such as while its uplink opens; charged like one in an outbox. */
export class WaitingMessage implements ReplyHolder {
  /** undefined: a broadcast */
  readonly standIn: StandIn | undefined;
  readonly bytes: Uint8Array;
  readonly descriptors: DescriptorSet | null;
  readonly destination: Uint8Array | null;
  readonly serial: number;
  readonly replyFacet: Facet | null;
  /** null: it is charged to no one */
  readonly trace: Trace | null;
  /** null: no reply is expected, or the caller has left */
  reply: Handle<ReplyHolder> | null = null;

  /** Copies the bytes of `message`, and retains its descriptors. */
  constructor(
    standIn: StandIn | undefined,
    message: CarriedMessage,
    trace: Trace | null,
    destination: Uint8Array | null,
  ) {
    const { header, replyFacet } = message.note!;
    this.standIn = standIn;
    this.bytes = message.copyBytes();
    this.descriptors = message.descriptors?.retain() ?? null;
    this.destination = destination;
    this.serial = header.serial;
    this.replyFacet = replyFacet;
    this.trace = trace;
    if (message.receivedCount === 0) return;
    this.reply = message.received[message.receivedCount - 1];
    this.reply.context = this;
  }

  replyGone(): void {
    this.reply = null;
  }

  /** It goes nowhere: gives back what it was charged. */
  drop(): void {
    this.trace?.discharge(1, this.bytes.length, this.descriptors?.count ?? 0);
    this.descriptors?.drop();
  }
}

import type { DescriptorSet, Message, Peer, Trace } from '#core/index.js';
import { decodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import {
  checkIncoming,
  IncomingFault,
  HandleRule,
  type Sender,
} from '#bridge/peer/incoming-check.js';
import { uniqueNumber, type Envelope } from '#bridge/registry/envelope.js';
import { MessageHeader } from '#bridge/wire/header.js';

import type { HandleContext, HeldHandle } from './contexts.js';

/** Who is on the bus, as a translator knows it. */
export interface Registry {
  /** Whether a process is trusted to pass on only messages that it has checked. */
  isTrusted(process: number): boolean;
  /** The connection with the unique name `:1.N`. */
  senderOf(number: number): Sender | undefined;
}

/** A message that came in on a node of a translating peer, kept until the transaction that brought it is over. */
export class Arrival implements HandleContext {
  readonly bytes: Uint8Array;
  /** the process that it came from; 0: this one */
  readonly origin: number;
  readonly descriptors: DescriptorSet | null;
  /** why `read` has refused the message */
  fault: IncomingFault = IncomingFault.None;
  /** handles from this index on lead to nodes of the process that sent the message */
  readonly ownFrom: number;
  /** handles that came with the message */
  readonly receivedCount: number;
  private readonly trace: Trace;
  /** null where the node is gone, or the handle was taken */
  private readonly handles: (HeldHandle | null)[];

  /** Called inside the transaction. */
  constructor(message: Message<Envelope, unknown, HandleContext>, trace: Trace) {
    this.bytes = message.copyBytes();
    this.origin = message.origin;
    this.ownFrom = message.ownFrom;
    this.receivedCount = message.receivedCount;
    this.descriptors = message.descriptors?.retain() ?? null;
    this.trace = trace;
    this.handles = message.received.slice(0, message.receivedCount);
    for (const handle of this.handles) if (handle !== null) handle.context = this;
  }

  get handleCount(): number {
    return this.handles.length;
  }

  /**
   * Decodes the message, if it may arrive at a node where a call with `awaitedSerial` is answered, or where calls and
   * signals arrive (`NO_CALL`). Undefined: it may not; `fault` says why.
   */
  read(registry: Registry, awaitedSerial: number): DecodedMessage | undefined {
    const { bytes } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.fault = IncomingFault.Body;
    if (header.scan(bytes, view, 0, bytes.length) !== 0) return undefined;
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

  /** Null when its node is gone, or the handle was taken. */
  handle(index: number): HeldHandle | null {
    return this.handles[index] ?? null;
  }

  /** Like `handle`, but transfers ownership to the caller. */
  take(index: number): HeldHandle | null {
    const handle = this.handle(index);
    if (handle !== null) this.handles[index] = null;
    return handle;
  }

  lost(handle: HeldHandle): void {
    const index = this.handles.indexOf(handle);
    if (index >= 0) this.handles[index] = null;
  }

  /** The message has been processed: releases the handles that were not taken, and gives back its charge. */
  finish(peer: Peer): void {
    this.trace.discharge(1, this.bytes.length, this.descriptors?.count ?? 0);
    this.descriptors?.drop();
    if (!peer.live) return;
    const left = this.handles.splice(0).filter((handle) => handle !== null);
    if (left.length > 0) peer.release(...left);
  }
}

const header = new MessageHeader();

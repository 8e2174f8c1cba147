import type { DescriptorSet, Handle, Message, Trace } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Envelope } from '#bridge/registry/envelope.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { MessageType } from '#bridge/wire/types.js';
import type { ActivationFailure } from '#bridge/driver/activation-failure.js';
import type { Parking } from './parking.js';
import type { Waiting } from '#bridge/driver/waiting.js';

/** The `context` of a parking node: whose messages arrive there, and for which name. */
export interface ParkingSpot {
  readonly name: string;
  readonly sender: Connection;
}

/** A message that arrives at a parking node. */
export type ParkingMessage = Message<Envelope, unknown, ParkedMessage>;

/** A call or a directed signal for a name that has no owner yet, still charged to its sender. */
export class ParkedMessage implements Waiting {
  readonly name: string;
  readonly waiter: Connection;
  readonly bytes: Uint8Array;
  readonly serial: number;
  readonly isSignal: boolean;
  readonly flags: number;
  readonly descriptors: DescriptorSet | null;
  readonly trace: Trace;
  /** null: no reply is expected, or the caller has left */
  reply: Handle<ParkedMessage> | null;
  readonly #parking: Parking;

  /** Copies what has arrived out of `message`; `trace` is discharged when it leaves again. */
  constructor(
    parking: Parking,
    { name, sender }: ParkingSpot,
    message: ParkingMessage,
    trace: Trace,
    header: MessageHeader,
  ) {
    this.#parking = parking;
    this.name = name;
    this.waiter = sender;
    this.bytes = message.copyBytes();
    this.serial = header.serial;
    this.isSignal = header.type === MessageType.Signal;
    this.flags = header.flags;
    this.descriptors = message.descriptors?.retain() ?? null;
    this.trace = trace;
    this.reply = message.receivedCount > 0 ? message.received[message.receivedCount - 1] : null;
    if (this.reply !== null) this.reply.context = this;
  }

  deliver(owner: Connection): void {
    this.#parking.deliver(this, owner);
  }

  fail(failure: ActivationFailure): void {
    this.#parking.fail(this, failure);
  }

  drop(): void {
    this.#parking.drop(this);
  }
}

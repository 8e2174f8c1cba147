import type { Trace } from '#core/index.js';
import type { Arrival } from './contexts.js';
import type { IncomingHeader } from './incoming-header.js';
import type { MessageReader } from './message-reader.js';
import type { ReceivedReferences } from './received-references.js';

/** An object that receives signals. */
export interface SignalTaker {
  takeSignal(signal: Signal): void;
}

/** A signal that was received. */
export class Signal {
  /** unique name; undefined without a bus, or when the bus does not back the claim to that name */
  readonly sender: string | undefined;
  /** descriptors in it are closed when the signal has been delivered: `duplicate` what is needed longer */
  readonly body: readonly unknown[];
  private readonly header: IncomingHeader;

  /** @internal */
  static read(reader: MessageReader, sender: string | undefined): Signal {
    return new Signal(reader, sender);
  }

  private constructor(reader: MessageReader, sender: string | undefined) {
    this.header = reader.header;
    this.body = reader.body;
    this.sender = sender;
  }

  get path(): string {
    return this.header.path!;
  }

  get interface(): string {
    return this.header.interface!;
  }

  get member(): string {
    return this.header.member!;
  }

  get signature(): string {
    return this.header.signature.text;
  }

  /** The name that it was addressed to; undefined for a broadcast, and for what came through a capability. */
  get destination(): string | undefined {
    return this.header.destination;
  }
}

/** A signal on its way to its subscribers: its charge is given back when they have received it. */
export class SignalArrival implements Arrival {
  readonly isReply = false;
  private readonly signal: Signal;
  private readonly references: ReceivedReferences | null;
  private readonly taker: SignalTaker;
  private readonly trace: Trace;
  private readonly lengthBytes: number;
  private readonly descriptorCount: number;

  constructor(
    signal: Signal,
    taker: SignalTaker,
    trace: Trace,
    lengthBytes: number,
    descriptorCount: number,
    references: ReceivedReferences | null,
  ) {
    this.references = references;
    this.signal = signal;
    this.taker = taker;
    this.trace = trace;
    this.lengthBytes = lengthBytes;
    this.descriptorCount = descriptorCount;
  }

  deal(): void {
    this.trace.discharge(1, this.lengthBytes, this.descriptorCount);
    this.taker.takeSignal(this.signal);
    this.references?.closeDescriptors();
  }
}

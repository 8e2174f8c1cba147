import type { Handle, Trace } from '#core/index.js';
import { closeFd } from '#core/linux/index.js';
import { WireError } from '#bridge/wire/faults.js';
import { MessageFlag } from '#bridge/wire/types.js';
import { ClientError, DBusError, ErrorName } from './errors.js';
import type { IncomingHeader } from './incoming-header.js';
import type { Member } from './member.js';
import type { ReceivedReferences } from './received-references.js';

/** An object that answers calls. */
export interface CallTaker {
  take(call: IncomingCall): void;
}

/** The process that a message came from, as reported by the kernel. */
export interface CallerProcess {
  readonly pid: number;
  readonly uid: number;
}

/** What a handler learns about a call. */
export interface Call {
  /** unique name; undefined without a bus, or when the bus does not back the claim to that name */
  readonly sender: string | undefined;
  readonly path: string;
  readonly interface: string | undefined;
  readonly member: string;
  readonly signature: string;
  /** the caller wants no reply, and would not get one */
  readonly isNoReply: boolean;
  /**
   * The process that the call came from. For a caller that has a D-Bus connection that is the bridge: ask the bus for
   * its credentials.
   */
  readonly process: CallerProcess | undefined;
  /** Aborted when the caller is gone, or no longer waits for the reply. */
  readonly signal: AbortSignal;
  /** For a descriptor in the reply that is not needed here: it is closed when the reply has been sent. Returns `fd`. */
  giveAway(fd: number): number;
}

/** A method call that has arrived. It is answered once; if it never is, the caller gets NoReply. */
export class IncomingCall implements Call {
  /** @internal */
  readonly isReply = false;
  /** @internal */
  readonly header: IncomingHeader;
  readonly serial: number;
  readonly body: readonly unknown[];
  readonly sender: string | undefined;
  private readonly home: Member;
  private readonly references: ReceivedReferences | null;
  private readonly origin: number;
  private readonly taker: CallTaker;
  private readonly trace: Trace;
  private readonly lengthBytes: number;
  private readonly descriptorCount: number;
  private replyTo: Handle | null;
  private controller: AbortController | null = null;
  private givenAway: number[] | null = null;

  /** @internal Inside the transaction that brings it; `member` has just read it. */
  constructor(
    member: Member,
    taker: CallTaker,
    origin: number,
    replyTo: Handle | null,
    trace: Trace,
    lengthBytes: number,
    descriptorCount: number,
  ) {
    const { reader } = member;
    this.home = member;
    this.taker = taker;
    this.header = reader.header;
    this.serial = reader.serial;
    this.body = reader.body;
    this.references = reader.references;
    this.sender = member.senders.of(reader.header, origin);
    this.origin = origin;
    this.replyTo = replyTo;
    this.trace = trace;
    this.lengthBytes = lengthBytes;
    this.descriptorCount = descriptorCount;
    if (replyTo !== null) replyTo.context = this;
  }

  get path(): string {
    return this.header.path!;
  }

  get interface(): string | undefined {
    return this.header.interface;
  }

  get member(): string {
    return this.header.member!;
  }

  get signature(): string {
    return this.header.signature.text;
  }

  get isNoReply(): boolean {
    return (this.header.flags & MessageFlag.NoReplyExpected) !== 0;
  }

  get process(): CallerProcess | undefined {
    if (this.origin === 0) return { pid: process.pid, uid: this.home.peer.user.uid };
    return this.home.shared.identityOf(this.origin);
  }

  get signal(): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController();
      if (this.replyTo === null) this.controller.abort(this.nobodyWaits());
      else if (this.sender !== undefined) this.home.shared.watchCaller?.(this.sender);
    }
    return this.controller.signal;
  }

  giveAway(fd: number): number {
    (this.givenAway ??= []).push(fd);
    return fd;
  }

  /** It was answered, or cannot be. */
  private finish(): void {
    for (const fd of this.givenAway ?? []) closeFd(fd);
    this.givenAway = null;
  }

  /** @internal */
  // hot
  deal(): void {
    this.trace.discharge(1, this.lengthBytes, this.descriptorCount);
    this.taker.take(this);
  }

  /** @internal No caller waits for the reply any more. */
  lost(): void {
    this.replyTo = null;
    const { controller } = this;
    if (controller === null) return;
    this.home.arrivals.push({ isReply: false, deal: () => controller.abort(this.nobodyWaits()) });
  }

  private nobodyWaits(): Error {
    return new Error(`the caller of ${this.member} is gone, or no longer waits`);
  }

  /** Answers with values of this signature. If they cannot be sent, it answers with an error and throws it. */
  // hot
  reply(signature = '', values: readonly unknown[] = []): void {
    const handle = this.replyTo;
    try {
      if (handle !== null && this.home.isOpen)
        this.home.calls.reply(this, handle, signature, values);
      this.replyTo = null;
    } catch (error) {
      this.failInstead(error);
    }
    if (this.givenAway !== null) this.finish();
  }

  /** @internal Answers with an error a call that no handler has seen. */
  refuse(error: DBusError): void {
    this.references?.closeDescriptors();
    this.fail(error);
  }

  /** Answers with an error: a DBusError as it is, anything else as `org.freedesktop.DBus.Error.Failed`. */
  fail(error: unknown): void {
    const handle = this.replyTo;
    if (this.givenAway !== null) this.finish();
    if (handle === null || !this.home.isOpen) return;
    const name = error instanceof DBusError ? error.name : ErrorName.Failed;
    const text = error instanceof Error ? error.message : String(error);
    this.replyTo = null;
    try {
      this.home.calls.fail(this, handle, name, text);
    } catch (problem) {
      // There is no room even for the error: the caller sees this as a dropped call.
      this.home.diagnose(problem);
      handle.context = null;
      if (handle.live) this.home.peer.release(handle);
    }
  }

  private failInstead(error: unknown): void {
    this.home.diagnose(error);
    const isQuota = error instanceof ClientError && error.code === 'OverQuota';
    const why =
      error instanceof WireError
        ? `the service's reply is not valid: ${error.message}`
        : String(error);
    this.fail(new DBusError(isQuota ? ErrorName.LimitsExceeded : ErrorName.Failed, why));
  }
}

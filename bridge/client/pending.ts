import type { Trace } from '#core/index.js';
import { MessageType } from '#bridge/wire/types.js';
import { callSite, failure, tellCallSite, type CallSite } from './call-site.js';
import type { Arrival, ArrivedMessage, NodeContext, OwnNode } from './contexts.js';
import { DBusError, ErrorName, TimeoutError } from './errors.js';
import type { CallOptions } from './interface-description.js';
import { Reply } from './method-call.js';
import type { Member } from './member.js';

/** Something that a thread can wait for. */
export interface Awaited {
  readonly isWaiting: boolean;
  readonly what: string;
  end(error: unknown): void;
}

const unchanged = <T>(value: T): T => value;

/**
 * How a promise is settled with whatever `convert` has made. A method, since TypeScript has no type for a pair of
 * functions of which one takes what the other returns: `settlesWith` takes only such pairs.
 */
interface Settler {
  resolve(value: unknown): void;
}

/** A request: the context of the one-shot node at which the answer arrives. */
export abstract class Pending<T> implements NodeContext, Arrival, Awaited {
  readonly isReply = true;
  /** no answer yet */
  isWaiting = true;
  node: OwnNode | null = null;
  protected readonly member: Member;
  protected value: T | undefined;
  protected error: unknown;
  private convert: (value: T) => unknown = unchanged;
  /** null for a synchronous call */
  private resolve: Settler['resolve'] | null = null;
  private reject: ((error: unknown) => void) | null = null;
  private timer: NodeJS.Timeout | null = null;
  private signal: AbortSignal | null = null;
  private callSite: CallSite | null = null;
  /** `resolve` is that of a promise: the stack of an error can show the functions that await it */
  isPromised = false;
  private onAbort: (() => void) | null = null;

  constructor(member: Member) {
    this.member = member;
  }

  /** Makes it settle a promise with the answer. */
  settles(resolve: (value: T) => void, reject: (error: unknown) => void): void {
    this.settlesWith<T>(resolve, reject, unchanged);
  }

  /** Makes it settle a promise with what `convert` makes of the answer. */
  settlesWith<R>(
    resolve: (value: R) => void,
    reject: (error: unknown) => void,
    convert: (value: T) => R,
  ): void {
    this.convert = convert;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Captures the stack of the call, for errors. */
  noteCallSite(): void {
    this.callSite = callSite();
  }

  /** It has been sent: from now on the process waits for it. */
  // hot
  begin(node: OwnNode | null, options: CallOptions | undefined): void {
    if (this.isWaiting) this.node = node;
    if (this.resolve !== null) this.member.hold();
    if (options?.timeoutMs === undefined && options?.signal === undefined) return;
    const { timeoutMs, signal } = options;
    if (timeoutMs !== undefined) {
      this.timer = setTimeout(() => this.end(new TimeoutError(this.what, timeoutMs)), timeoutMs);
    }
    if (signal === undefined) return;
    this.signal = signal;
    this.onAbort = () => this.end(signal.reason);
    signal.addEventListener('abort', this.onAbort);
  }

  abstract readonly what: string;

  /** Reads the answer, inside the transaction that brings it: sets `value` or `error`. */
  protected abstract read(message: ArrivedMessage): void;

  // hot
  accept(message: ArrivedMessage, trace: Trace): void {
    try {
      this.read(message);
    } catch (error) {
      this.error = error;
    }
    trace.discharge(
      1,
      message.lengthBytes,
      message.descriptors === null ? 0 : message.descriptors.count,
    );
    this.finish();
  }

  unreachable(): void {
    const why = `${this.what} was not answered: the receiver is gone, or has dropped it`;
    this.error = new DBusError(ErrorName.NoReply, why);
    this.finish();
  }

  // hot
  private finish(): void {
    this.node = null;
    this.isWaiting = false;
    if (this.resolve !== null) this.member.arrivals.push(this);
  }

  // hot
  deal(): void {
    this.member.unhold();
    if (this.timer !== null || this.signal !== null) this.disarm();
    if (this.error !== undefined) {
      if (this.callSite !== null) tellCallSite(this.error, this.callSite);
      else if (this.isPromised) return this.resolve!(failure(this.error));
      return this.reject!(this.error);
    }
    try {
      this.resolve!(this.convert(this.value!));
    } catch (error) {
      this.reject!(error);
    }
  }

  /** Ends the call without waiting for its answer; the other side is notified. */
  end(error: unknown): void {
    if (!this.isWaiting) return;
    const { node } = this;
    this.node = null;
    this.isWaiting = false;
    this.error = error;
    if (node !== null && this.member.isOpen) this.member.peer.release(node);
    if (this.resolve !== null) this.deal();
  }

  /** The result of a synchronous call that has ended. @throws the error that it ended with */
  result(): T {
    if (this.error !== undefined) throw this.error;
    return this.value!;
  }

  private disarm(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    if (this.onAbort !== null) this.signal?.removeEventListener('abort', this.onAbort);
  }
}

/** A method call that was sent. */
export class PendingReply extends Pending<Reply> {
  private readonly destination: string | undefined;
  private readonly method: string;

  constructor(member: Member, destination: string | undefined, method: string) {
    super(member);
    this.destination = destination;
    this.method = method;
  }

  get what(): string {
    return `the call ${this.method}${this.destination === undefined ? '' : ` to '${this.destination}'`}`;
  }

  protected read(message: ArrivedMessage): void {
    const { reader } = this.member;
    if (!reader.read(message, message.receivedCount)) {
      this.error = new DBusError(
        ErrorName.NoReply,
        `${this.what} got a malformed reply: ${reader.fault}`,
      );
      return;
    }
    const { header, body } = reader;
    const { senders } = this.member;
    const sender = senders.of(header, message.origin);
    const isFromName = this.destination !== undefined;
    const refusal = isFromName ? senders.refusal(header, message.origin) : undefined;
    if (refusal !== undefined) {
      reader.references?.closeDescriptors();
      this.member.keptBack(sender, refusal);
      this.error = new DBusError(
        ErrorName.NoReply,
        `${this.what}: the reply was withheld. ${refusal.why}`,
      );
      return;
    }
    if (header.type === MessageType.MethodReturn) {
      this.value = new Reply(body, header.signature.text, sender);
    } else if (header.type === MessageType.Error) {
      reader.references?.closeDescriptors();
      const text = typeof body[0] === 'string' ? body[0] : '';
      this.error = new DBusError(header.errorName ?? ErrorName.Failed, text, body);
    } else {
      reader.references?.closeDescriptors();
      this.error = new DBusError(
        ErrorName.NoReply,
        `${this.what}: the reply is neither a method return nor an error`,
      );
    }
  }
}

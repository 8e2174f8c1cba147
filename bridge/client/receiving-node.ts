import type { Handle, Trace } from '#core/index.js';
import { EndianMark, MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { Denial } from '#bridge/registry/denial.js';
import type { ArrivedMessage, NodeContext } from './contexts.js';
import { NotedHandles } from './noted-handles.js';
import { DBusError, ErrorName } from './errors.js';
import { IncomingCall, type CallTaker } from './incoming-call.js';
import type { Member } from './member.js';
import { Signal, SignalArrival, type SignalTaker } from './signal.js';

/** The context of a node at which calls and signals arrive: an inbox, a name, or one object. */
export class ReceivingNode implements NodeContext {
  protected readonly member: Member;
  /** It is reached by a name of the bus: the policy says who may send what to it. */
  protected readonly isName: boolean = false;
  private readonly taker: CallTaker & SignalTaker;

  constructor(member: Member, taker: CallTaker & SignalTaker) {
    this.member = member;
    this.taker = taker;
  }

  accept(message: ArrivedMessage, trace: Trace): void {
    const first = message.firstByte;
    if (first !== EndianMark.Little && first !== EndianMark.Big)
      return this.acceptControl(message, trace);
    const wantsReply = (message.byteAt(2) & MessageFlag.NoReplyExpected) === 0;
    const replyTo = wantsReply ? message.lastReceived : null;
    const count = message.receivedCount;
    const { reader } = this.member;
    if (!reader.read(message, replyTo === null ? count : count - 1)) {
      this.member.diagnose(`a message of process ${message.origin} was dropped: ${reader.fault}`);
      return this.drop(message, replyTo, trace);
    }
    const descriptorCount = message.descriptors === null ? 0 : message.descriptors.count;
    const { member } = this;
    const { lengthBytes, origin } = message;
    const refusal = this.isName ? member.senders.refusal(reader.header, origin) : undefined;
    const taker = refusal === undefined ? this.taker : new Refusing(member, refusal);
    if (reader.header.type === MessageType.MethodCall) {
      member.arrivals.push(
        new IncomingCall(member, taker, origin, replyTo, trace, lengthBytes, descriptorCount),
      );
    } else if (reader.header.type === MessageType.Signal) {
      const signal = Signal.read(reader, member.senders.of(reader.header, origin));
      const { references } = reader;
      member.arrivals.push(
        new SignalArrival(signal, taker, trace, lengthBytes, descriptorCount, references),
      );
    } else {
      reader.references?.closeDescriptors();
      this.drop(message, replyTo, trace);
    }
  }

  unreachable(): void {}

  /** A message that is not D-Bus: only a bridge sends any. */
  protected acceptControl(message: ArrivedMessage, trace: Trace): void {
    this.drop(message, null, trace);
    const handles = message.received.slice(0, message.receivedCount);
    this.releaseLater(handles);
  }

  protected drop(message: ArrivedMessage, replyTo: Handle | null, trace: Trace): void {
    const descriptorCount = message.descriptors === null ? 0 : message.descriptors.count;
    trace.discharge(1, message.lengthBytes, descriptorCount);
    if (replyTo !== null) this.releaseLater([replyTo]);
  }

  private releaseLater(handles: readonly Handle[]): void {
    if (handles.length === 0) return;
    const { member } = this;
    const noted = new NotedHandles(handles);
    const deal = (): void => {
      if (member.isOpen) noted.releaseFrom(member.peer);
    };
    member.arrivals.push({ isReply: false, deal });
  }
}

/** Takes messages that the policy refuses: a caller gets an error with the reason. */
class Refusing implements CallTaker, SignalTaker {
  private readonly member: Member;
  private readonly denial: Denial;

  constructor(member: Member, denial: Denial) {
    this.member = member;
    this.denial = denial;
  }

  take(call: IncomingCall): void {
    call.refuse(new DBusError(ErrorName.AccessDenied, this.denial.why));
    this.member.denied(call.sender, this.denial);
  }

  takeSignal({ sender }: Signal): void {
    this.member.denied(sender, this.denial);
  }
}

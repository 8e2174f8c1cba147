import { DescriptorSet, Message, NewNode, SendStatus, type Handle } from '#core/index.js';
import type { NodeContext } from '#bridge/client/contexts.js';
import { closeFd, duplicate } from '#core/linux/index.js';
import { Calls } from '#bridge/client/calls.js';
import { ErrorName } from '#bridge/client/errors.js';
import type { HeldHandle } from '#bridge/client/held-handle.js';
import type { IncomingCall } from '#bridge/client/incoming-call.js';
import type { Member } from '#bridge/client/member.js';
import { OutgoingHeader } from '#bridge/client/outgoing-header.js';
import { secondTry } from '#bridge/registry/second-try.js';
import { failureOf, type Unsent } from '#bridge/registry/send-failure.js';
import { WireError, WireFault } from '#bridge/wire/faults.js';
import { MessageType } from '#bridge/wire/types.js';
import { library, type BusMessage } from './library.js';
import type { PendingMessage } from './pending-message.js';
import { ValueWriter } from './value-writer.js';

/** A body on its way: the first `length` of `bytes`. */
export interface Body {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly descriptors: DescriptorSet | null;
}

/** A copy of a body that stays valid. Drop its descriptors when it was sent. */
export function keep({ bytes, length, descriptors }: Body): Body {
  return { bytes: bytes.slice(0, length), length, descriptors: descriptors?.retain() ?? null };
}

/** Sends messages of dbus-next to their nodes. The serials are those of the messages. */
export class BusMessageSender extends Calls {
  /** false: messages with descriptors are refused */
  takesDescriptors = false;
  private readonly home: Member;
  private readonly outgoing = new Message<never, NodeContext>();
  private readonly values = new ValueWriter();
  private answer: { readonly message: BusMessage; readonly body: Body } | undefined;

  constructor(member: Member) {
    super(member);
    this.home = member;
  }

  /** The body of a message, valid until the next one is encoded. @throws Error if it does not fit its signature */
  encode({ signature = '', body = [] }: BusMessage): Body {
    const { values } = this;
    try {
      values.write(signature, body);
    } catch (error) {
      throw sayLimit(error);
    }
    const { bytes, length, descriptors } = values;
    if (descriptors.length === 0) return { bytes, length, descriptors: null };
    if (!this.takesDescriptors) {
      const how = 'open the bus with { negotiateUnixFd: true }';
      throw new library.DBusError(ErrorName.NotSupported, `to send file descriptors, ${how}`);
    }
    const set = new DescriptorSet(descriptors.map(duplicate), closeFd);
    return { bytes, length, descriptors: set };
  }

  /**
   * Sends a call, whose answer goes to `pending`, or a signal. False when the receiver has no room for it now.
   *
   * @throws DBusError, ClientError
   */
  send(
    target: HeldHandle,
    message: BusMessage,
    body: Body,
    pending: PendingMessage | null,
  ): boolean {
    const { type, flags = 0, destination, member } = message;
    const handle = target.use();
    const fds = body.descriptors?.count ?? 0;
    const header = target.headers.find(type, flags, message, destination, this.sender, fds);
    const status = this.transmitAs(header, message, body, handle, pending);
    target.forgetIfUsedUp(handle);
    if (status === SendStatus.OverQuota) return false;
    if (status !== SendStatus.Sent) throw refusal(status, member);
    pending?.begin(this.outgoing.createdNode, undefined);
    return true;
  }

  /** Answers `call` with a method return or an error. @throws DBusError */
  respond(call: IncomingCall, message: BusMessage, body: Body): void {
    this.answer = { message, body };
    call.reply();
    this.answer = undefined;
  }

  /** Called by the call that `respond` is about, unless its caller is gone. */
  override reply(call: IncomingCall, handle: Handle): void {
    const { message, body } = this.answer!;
    const header = this.headerOf(call, message, body.descriptors?.count ?? 0);
    header.patchReplySerial(call.serial);
    const status = this.transmitAs(header, message, body, handle, null);
    if (status !== SendStatus.Sent) throw refusal(status, call.member);
  }

  private headerOf(call: IncomingCall, message: BusMessage, unixFds: number): OutgoingHeader {
    const { sender: destination } = call.header;
    const { type, flags = 0, errorName, signature = '' } = message;
    const known = call.header.replyHeader?.fields;
    const isKnown =
      known?.type === type &&
      known.errorName === errorName &&
      known.signature === signature &&
      known.flags === flags &&
      known.unixFds === unixFds;
    if (isKnown) return call.header.replyHeader!;
    const { sender } = this;
    const fields = { type, flags, errorName, destination, sender, signature, unixFds };
    const header = new OutgoingHeader(fields);
    if (type === MessageType.MethodReturn) call.header.replyHeader = header;
    return header;
  }

  private transmitAs(
    header: OutgoingHeader,
    { serial }: BusMessage,
    body: Body,
    handle: Handle,
    context: PendingMessage | null,
  ): SendStatus {
    const { outgoing } = this;
    outgoing.clear();
    header.patch(serial!, body.length);
    outgoing.addPiece(header.bytes, 0, header.bytes.length);
    if (body.length > 0) outgoing.addPiece(body.bytes, 0, body.length);
    outgoing.descriptors = body.descriptors;
    if (context !== null) {
      outgoing.newNode = NewNode.OneShot;
      outgoing.newNodeContext = context;
    }
    const { home } = this;
    const status = home.peer.send(handle, outgoing);
    if (status !== SendStatus.OverQuota) return status;
    return secondTry(home.peer, handle, outgoing, home);
  }
}

/** dbus-next knows the errors of a bus only. */
function sayLimit(error: unknown): unknown {
  if (!(error instanceof WireError) || error.code !== WireFault.MessageTooLong) return error;
  const text = 'the body exceeds the limit of 128 MiB';
  return new library.DBusError(ErrorName.LimitsExceeded, text);
}

function refusal(status: Unsent, member = 'a message'): Error {
  const [errorName, text] = failureOf(status);
  /* a program on a socket would have been told when the receiver left */
  if (status === SendStatus.BadHandle)
    return new library.DBusError(ErrorName.NoReply, `${member}: the receiver is gone`);
  return new library.DBusError(errorName, `${member}: ${text}`);
}

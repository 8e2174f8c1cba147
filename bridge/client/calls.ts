import { DescriptorSet, Message, NewNode, SendStatus, type Handle } from '#core/index.js';
import { closeFd, duplicate } from '#core/linux/index.js';
import { secondTry } from '#bridge/registry/second-try.js';
import { failureOf, type Unsent } from '#bridge/registry/send-failure.js';
import { WireError, WireFault } from '#bridge/wire/faults.js';
import { MESSAGE_MAX_BYTES } from '#bridge/wire/limits.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { Serials } from '#bridge/wire/serials.js';
import { BodyWriter } from './body-writer.js';
import { ClientError, type ClientErrorCode } from './errors.js';
import type { HeldHandle } from './held-handle.js';
import {
  EMPTY_REPLY,
  type Broadcast,
  type Content,
  type MethodCall,
  type Reply,
} from './method-call.js';
import type { Member } from './member.js';
import { OutgoingHeader } from './outgoing-header.js';
import { PendingReply } from './pending.js';
import type { NodeContext, OwnNode } from './contexts.js';
import type { IncomingCall } from './incoming-call.js';

/** How long a synchronous call waits by default: as long as with the reference implementation of D-Bus. */
export const SYNC_TIMEOUT_MS = 25_000;

const NO_VALUES: readonly unknown[] = [];

/** Sends calls, replies and signals, as D-Bus messages to their nodes. */
export class Calls {
  /** own unique name, the sender of all messages; undefined without a bus */
  sender: string | undefined;
  private readonly member: Member;
  private readonly message = new Message<never, NodeContext>();
  private readonly body = new BodyWriter();
  private readonly serials = new Serials();

  constructor(member: Member) {
    this.member = member;
  }

  call(target: HeldHandle, call: MethodCall): Promise<Reply> {
    return this.callFor(target, call, (reply) => reply);
  }

  /** Resolves with what `convert` makes of the reply, as soon as that arrives. `handles` travel with the call. */
  // hot
  callFor<T>(
    target: HeldHandle,
    call: MethodCall,
    convert: (reply: Reply) => T,
    handles?: readonly Handle[],
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      call.signal?.throwIfAborted();
      if (call.noReply === true) {
        this.sendCall(target, call, null);
        return resolve(convert(EMPTY_REPLY));
      }
      const pending = new PendingReply(this.member, target.destination, call.member);
      pending.settlesWith(resolve, reject, convert);
      pending.isPromised = true;
      if (this.member.tellsCallSites) pending.noteCallSite();
      this.sendCall(target, call, pending, handles);
    });
  }

  callSync(target: HeldHandle, call: MethodCall, handles?: readonly Handle[]): Reply {
    if (call.noReply === true) {
      this.sendCall(target, call, null);
      return EMPTY_REPLY;
    }
    const pending = new PendingReply(this.member, target.destination, call.member);
    const handle = this.sendCall(target, call, pending, handles);
    const isOwn = handle.node.owner === this.member.peer;
    this.member.await(pending, call.timeoutMs ?? SYNC_TIMEOUT_MS, isOwn);
    return pending.result();
  }

  /** Sends a signal to one receiver. */
  signal(target: HeldHandle, signal: Content & { readonly interface: string }): void {
    this.sendSignal(target, signal, target.destination);
  }

  /** Broadcasts to all subscribers, by way of `driver`. */
  broadcast(driver: HeldHandle, signal: Broadcast): void {
    this.sendSignal(driver, signal, undefined);
  }

  private sendSignal(target: HeldHandle, signal: Content, destination: string | undefined): void {
    const handle = target.use();
    const message = this.message.clear();
    this.compose(target, MessageType.Signal, MessageFlag.NoReplyExpected, signal, destination);
    this.transmit(handle, message, signal.member);
    target.forgetIfUsedUp(handle);
  }

  /** Answers a call. @throws WireError, ClientError */
  // hot
  reply(call: IncomingCall, handle: Handle, signature: string, values: readonly unknown[]): void {
    const { header } = call;
    const message = this.message.clear();
    let answer = header.replyHeader;
    if (answer === null || answer.fields.signature !== signature) {
      answer = this.replyHeader(header.sender, signature, 0);
      header.replyHeader = answer;
    }
    message.addPiece(answer.bytes, 0, answer.bytes.length);
    this.body.write(signature, values, message);
    const unixFds = this.body.descriptors.length;
    if (unixFds > 0) {
      answer = this.replyHeader(header.sender, signature, unixFds);
      message.replaceFirstPiece(answer.bytes);
    }
    answer.patch(this.serials.next(), message.lengthBytes - answer.bytes.length);
    answer.patchReplySerial(call.serial);
    this.transmit(handle, message, call.member);
  }

  fail(call: IncomingCall, handle: Handle, errorName: string, text: string): void {
    const { sender: destination } = call.header;
    const fields = {
      flags: MessageFlag.NoReplyExpected,
      destination,
      sender: this.sender,
      unixFds: 0,
    };
    const answer = new OutgoingHeader({
      type: MessageType.Error,
      errorName,
      signature: 's',
      ...fields,
    });
    const message = this.message.clear();
    message.addPiece(answer.bytes, 0, answer.bytes.length);
    this.body.write('s', [text], message);
    answer.patch(this.serials.next(), message.lengthBytes - answer.bytes.length);
    answer.patchReplySerial(call.serial);
    this.transmit(handle, message, call.member);
  }

  /** Sends a message that is not D-Bus; the answer, if any, goes to `context`. */
  sendControl(
    target: HeldHandle,
    bytes: Uint8Array,
    transfers: readonly Handle[],
    context: NodeContext | null,
  ): OwnNode | null {
    const handle = target.use();
    const message = this.message.clear();
    this.body.descriptors.length = 0;
    message.addPiece(bytes, 0, bytes.length);
    for (const transfer of transfers) message.addTransfer(transfer);
    if (context !== null) {
      message.newNode = NewNode.OneShot;
      message.newNodeContext = context;
    }
    this.transmit(handle, message, 'a request');
    return message.createdNode;
  }

  // hot
  private sendCall(
    target: HeldHandle,
    call: MethodCall,
    pending: PendingReply | null,
    handles?: readonly Handle[],
  ): Handle {
    const handle = target.use();
    const message = this.message.clear();
    let flags = pending === null ? MessageFlag.NoReplyExpected : 0;
    if (call.noAutoStart === true) flags |= MessageFlag.NoAutoStart;
    if (call.allowInteractiveAuthorization === true)
      flags |= MessageFlag.AllowInteractiveAuthorization;
    this.compose(target, MessageType.MethodCall, flags, call, target.destination);
    if (handles !== undefined) for (const each of handles) message.addTransfer(each);
    if (pending !== null) {
      message.newNode = NewNode.OneShot;
      message.newNodeContext = pending;
    }
    this.transmit(handle, message, call.member);
    if (pending !== null) pending.begin(message.createdNode, call);
    target.forgetIfUsedUp(handle);
    return handle;
  }

  /** Makes `this.message` a call or a signal. */
  // hot
  private compose(
    { headers }: HeldHandle,
    type: number,
    flags: number,
    content: Content,
    destination: string | undefined,
  ): void {
    const { message, sender } = this;
    const { signature = '', body = NO_VALUES } = content;
    let header = headers.find(type, flags, content, destination, sender, 0);
    message.addPiece(header.bytes, 0, header.bytes.length);
    this.body.write(signature, body, message);
    const unixFds = this.body.descriptors.length;
    if (unixFds > 0) {
      header = headers.find(type, flags, content, destination, sender, unixFds);
      message.replaceFirstPiece(header.bytes);
    }
    header.patch(this.serials.next(), message.lengthBytes - header.bytes.length);
  }

  /** @throws ClientError */
  // hot
  private transmit(handle: Handle, message: typeof this.message, what: string): void {
    if (message.lengthBytes > MESSAGE_MAX_BYTES)
      throw new WireError(WireFault.MessageTooLong, what);
    const { peer } = this.member;
    const { descriptors } = this.body;
    const set =
      descriptors.length === 0 ? null : new DescriptorSet(descriptors.map(duplicate), closeFd);
    message.descriptors = set;
    try {
      let status = peer.send(handle, message);
      if (status === SendStatus.OverQuota) status = secondTry(peer, handle, message, this.member);
      if (status !== SendStatus.Sent) throw refusal(status, what);
    } finally {
      if (set !== null) descriptors.length = 0;
      set?.drop();
    }
  }

  private replyHeader(
    destination: string | undefined,
    signature: string,
    unixFds: number,
  ): OutgoingHeader {
    const { sender } = this;
    const { MethodReturn: type } = MessageType;
    return new OutgoingHeader({
      type,
      flags: MessageFlag.NoReplyExpected,
      destination,
      sender,
      signature,
      unixFds,
    });
  }
}

const CODES = {
  [SendStatus.BadHandle]: 'CapabilityLost',
  [SendStatus.OverQuota]: 'OverQuota',
  [SendStatus.NoDescriptors]: 'NoDescriptors',
} as const satisfies Readonly<Record<Unsent, ClientErrorCode>>;

function refusal(status: Unsent, what: string): ClientError {
  const [, text] = failureOf(status);
  /* the handle may be one that was to go along, to another object than the destination */
  const isLost = status === SendStatus.BadHandle;
  const why = isLost ? 'a handle that the message needs is gone' : text;
  return new ClientError(CODES[status], `${what}: ${why}`);
}

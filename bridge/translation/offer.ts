import { SendStatus } from '#core/index.js';
import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import { HandleRule, openPlace, type Place } from '#bridge/peer/incoming-check.js';
import type { HandleHolder, HeldHandle } from '#bridge/peer/parcel.js';
import type { Connection } from '#bridge/registry/connection.js';
import { failureOf } from '#bridge/registry/send-failure.js';
import { WireError } from '#bridge/wire/faults.js';
import { encodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import {
  toLegacy,
  toNative,
  toNativeMember,
  type MemberReference,
  type ObjectKind,
} from '#mappings/index.js';

import { Answer } from './answer.js';
import type { Arrival } from './arrival.js';
import type { Conversation } from './conversation.js';
import { HandleArguments } from './handle-arguments.js';
import { NewHandles } from './new-handles.js';

/** An object of a native peer that a service calls by a generated path. */
export class Offer implements HandleHolder {
  readonly conversation: Conversation;
  readonly kind: ObjectKind;
  readonly path: string;
  readonly handle: HeldHandle;

  constructor(conversation: Conversation, kind: ObjectKind, path: string, handle: HeldHandle) {
    this.conversation = conversation;
    this.kind = kind;
    this.path = path;
    this.handle = handle;
    handle.context = this;
  }

  /** The native peer does not offer it any more. */
  lost(): void {
    const { conversation, path } = this;
    conversation.client.translator.defer(() => {
      if (conversation.offerAt(path) !== this) return;
      conversation.withdraw(path);
      conversation.endIfIdle();
    });
  }

  /** Passes on a call of the service. */
  pass(arrival: Arrival, message: DecodedMessage, service: Connection): void {
    const { conversation } = this;
    const handles = new NewHandles(conversation, conversation.client.connection);
    try {
      this.passWith(handles, arrival, message, service);
    } finally {
      handles.release(false);
    }
  }

  private passWith(
    handles: NewHandles,
    arrival: Arrival,
    message: DecodedMessage,
    service: Connection,
  ): void {
    const { conversation } = this;
    const { client } = conversation;
    const { mapping } = conversation.service;
    const legacy = { interface: message.interface ?? '', member: message.member ?? '' };
    const body = toNative(mapping, { part: 'call', ...legacy }, message.body, handles.open);
    const native = toNativeMember(mapping, legacy);
    const bytes = encodeMessage(
      { ...message, ...native, interface: message.interface && native.interface, path: '/' },
      body,
    );
    const { transfers, descriptors } = { transfers: handles.all, descriptors: arrival.descriptors };
    const call = { message, body: message.body, legacy, service };
    const reply = arrival.takeReply();
    const answer = reply === null ? undefined : new NativeAnswer(conversation, reply, call);
    const sent = { bytes, sender: service.number, transfers, descriptors };
    const status = client.send(this.handle, answer === undefined ? sent : { ...sent, answer });
    if (status === SendStatus.Sent) return;
    answer?.cancel();
    client.refuse(message, reply, ...failureOf(status));
  }
}

/** A call that was passed to a native peer. */
interface OfferedCall {
  readonly message: DecodedMessage;
  readonly body: readonly unknown[];
  readonly legacy: MemberReference;
  readonly service: Connection;
}

/** Translates the answer of a native peer to a service: handles become paths. */
class NativeAnswer extends Answer {
  readonly place: Place;
  private readonly conversation: Conversation;
  private readonly call: OfferedCall;

  constructor(conversation: Conversation, reply: HeldHandle, call: OfferedCall) {
    super(conversation.client, reply);
    this.place = openPlace(HandleRule.ReplyOwn, call.message.serial);
    this.conversation = conversation;
    this.call = call;
  }

  protected pass(arrival: Arrival): void {
    const message = arrival.read();
    const isAnswer =
      message?.type === MessageType.MethodReturn || message?.type === MessageType.Error;
    if (!isAnswer || message?.replySerial !== this.call.message.serial) return;
    try {
      this.send(this.compose(arrival, message), arrival);
    } catch (error) {
      if (!(error instanceof DriverError) && !(error instanceof WireError)) throw error;
      const reply = this.takeReply();
      this.client.refuse(
        this.call.message,
        reply,
        ErrorName.Failed,
        `the reply cannot be passed on: ${error.message}`,
      );
    }
  }

  private compose(arrival: Arrival, message: DecodedMessage): Uint8Array {
    const { client, service } = this.conversation;
    const { legacy, body: call, service: caller } = this.call;
    const handles = new HandleArguments(arrival, arrival.handleCount, this.conversation);
    const body =
      message.type === MessageType.Error
        ? message.body
        : toLegacy(
            service.mapping,
            { part: 'return', ...legacy, call },
            message.body,
            handles.path,
          );
    handles.mustBeUsed();
    const names = { sender: client.connection.uniqueName, destination: caller.uniqueName };
    return encodeMessage({ ...message, ...names }, body);
  }

  private send(bytes: Uint8Array, { descriptors }: Arrival): void {
    const reply = this.takeReply();
    if (reply === null) return;
    const { client } = this;
    client.sendReply(reply, { bytes, sender: client.connection.number, descriptors });
  }
}

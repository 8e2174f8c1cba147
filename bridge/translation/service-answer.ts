import type { Handle } from '#core/index.js';
import type { HeldHandle } from '#bridge/peer/parcel.js';
import type { Connection } from '#bridge/registry/connection.js';
import { encodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import {
  endedObjects,
  toNative,
  type MappedMessage,
  type MemberReference,
} from '#mappings/index.js';

import { Answer } from './answer.js';
import type { Arrival } from './arrival.js';
import type { Client } from './client.js';
import { KeptSignals } from './kept-signals.js';
import { NewHandles } from './new-handles.js';
import type { ObjectNode, Target } from './object-node.js';
import type { Said, Service } from './service.js';

/** A call that went to a service, as the service sees it. */
export interface PassedCall {
  readonly service: Service;
  readonly target: Target;
  readonly caller: Connection;
  readonly member: MemberReference;
  readonly body: readonly unknown[];
}

/** Translates the answer of a service to a native peer: paths become handles. */
export class ServiceAnswer extends Answer {
  /** services are connections of the bus's own hosts */
  readonly place = null;
  private readonly call: PassedCall;
  /** signals that were sent meanwhile by objects that the answer may bring */
  private readonly early: KeptSignals;

  constructor(client: Client, reply: HeldHandle, call: PassedCall) {
    super(client, reply);
    this.call = call;
    this.early = new KeptSignals(client.peer);
  }

  get caller(): Connection {
    return this.call.caller;
  }

  override isFrom(service: Service): boolean {
    return this.call.service === service;
  }

  /** Keeps a signal of an object that the caller has no handle to yet. */
  heard(said: Said): void {
    this.early.keep(said);
  }

  override giveUp(): void {
    super.giveUp();
    this.early.clear();
    this.client.endIfIdleWith(this.call.service);
  }

  protected pass(arrival: Arrival): void {
    const message = arrival.read();
    if (message?.type === MessageType.MethodReturn) this.passReturn(arrival, message);
    else if (message?.type === MessageType.Error) this.send(arrival, arrival.bytes, []);
  }

  private passReturn(arrival: Arrival, message: DecodedMessage): void {
    const { translator } = this.client;
    const { target, caller, member, body: call } = this.call;
    const { name, mapping } = this.call.service;
    const service = translator.service(name, mapping);
    const conversation = this.client.conversation(service);
    const handles = new NewHandles(conversation, caller);
    const part: MappedMessage = { part: 'return', ...member, call, object: target.kind };
    let objects: readonly ObjectNode[];
    try {
      const body = toNative(mapping, part, message.body, handles.open);
      this.send(arrival, encodeMessage(message, body), handles.all);
      ({ objects } = handles);
    } finally {
      handles.release(service.owner?.uniqueName !== message.sender);
    }
    for (const object of objects) service.catchUp(object, this.early.list());
    for (const path of endedObjects(mapping, part, message.body, target.path))
      service.end(path, caller);
    conversation.endIfIdle();
  }

  private send({ descriptors }: Arrival, bytes: Uint8Array, transfers: readonly Handle[]): void {
    const reply = this.takeReply();
    if (reply === null) return;
    const { client, call } = this;
    const sender = call.service.owner?.number ?? -1;
    client.sendReply(reply, { bytes, sender, transfers, descriptors });
  }
}

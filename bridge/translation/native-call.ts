import { SendStatus } from '#core/index.js';
import { handleIndex, MAPPING, SIGNALS } from '#bridge/client/object-protocol.js';
import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import { IncomingFault } from '#bridge/peer/incoming-check.js';
import type { HeldHandle } from '#bridge/peer/parcel.js';
import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import { DRIVER_NUMBER } from '#bridge/registry/envelope.js';
import { failureOf } from '#bridge/registry/send-failure.js';
import { WireError } from '#bridge/wire/faults.js';
import { encodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import {
  permits,
  toLegacy,
  toLegacyInterface,
  toLegacyMember,
  type MappedMessage,
  type Mapping,
  type MemberReference,
  type ObjectKind,
} from '#mappings/index.js';

import type { Arrival } from './arrival.js';
import { HandleArguments } from './handle-arguments.js';
import { SignalListener } from './signal-listener.js';
import type { ObjectNode, Target } from './object-node.js';
import { ServiceAnswer } from './service-answer.js';
import { PROPERTIES } from '#bridge/wire/standard-names.js';

/** Passes on what a native peer has sent to the node of a service's object. */
export function passCall(object: ObjectNode, arrival: Arrival): void {
  const message = arrival.read() ?? arrival.unknownCaller();
  const isForObject =
    message?.type === MessageType.MethodCall || message?.type === MessageType.Signal;
  if (message === undefined || !isForObject) return;
  new NativeCall(object, arrival, message).pass();
}

class NativeCall {
  private readonly object: ObjectNode;
  private readonly arrival: Arrival;
  private readonly message: DecodedMessage;

  constructor(object: ObjectNode, arrival: Arrival, message: DecodedMessage) {
    this.object = object;
    this.arrival = arrival;
    this.message = message;
  }

  /** Passes the call on to the service, or answers it with an error. */
  pass(): void {
    try {
      const caller = this.caller();
      const target = this.target();
      const { interface: name } = this.message;
      if (name === SIGNALS) this.subscribe(target);
      else if (name === MAPPING) this.tellKind(target);
      else this.send(target, caller);
    } catch (error) {
      const refusal = error instanceof WireError ? invalid(error.message) : error;
      if (!(refusal instanceof DriverError)) throw error;
      const { client } = this.object.conversation;
      client.refuse(this.message, this.arrival.takeReply(), refusal.errorName, refusal.message);
    }
  }

  /** Any holder of the handle may call; it calls under its own name, because services check their callers. */
  private caller(): Connection {
    const { translator } = this.object.conversation.client;
    const { sender } = this.message;
    const { fault, origin } = this.arrival;
    const caller = translator.connectionOf(sender);
    const isKnown = fault === IncomingFault.None && caller?.process === origin;
    if (isKnown && caller.isNative) return caller;
    throw new DriverError(
      ErrorName.AccessDenied,
      `${sender ?? 'a sender without a name'} is not known to come from that process: send Hello to the bus first`,
    );
  }

  private target(): Target {
    const { object } = this;
    const { path = '/' } = this.message;
    if (object.node.live) return object.target(path);
    throw new DriverError(
      ErrorName.ServiceUnknown,
      `the ${object.kind.name} or its service is gone`,
    );
  }

  private send(target: Target, caller: Connection): void {
    this.object.mustNotHaveEnded();
    const { conversation } = this.object;
    const { client, service } = conversation;
    const { mapping } = service;
    const { message } = this;
    const member = legacyMember(mapping, target.kind, message);
    if (!permits(mapping, target.kind, member, subjectOf(mapping, message))) {
      const what = `${message.interface ?? 'any interface'}.${message.member}`;
      const rule = `mapping ${target.kind.at.file}:${target.kind.at.line}`;
      throw new DriverError(
        ErrorName.UnknownMethod,
        `a handle to a ${target.kind.name} does not allow ${what} (${rule})`,
      );
    }
    const body = this.legacyBody(member, caller);
    const bytes = encodeMessage(
      {
        ...message,
        path: target.path,
        interface: member.interface === '' ? undefined : member.interface,
        member: member.member,
        destination: service.name,
        sender: caller.uniqueName,
      },
      body,
    );
    this.deliver(
      bytes,
      caller,
      (reply) => new ServiceAnswer(client, reply, { service, target, caller, member, body }),
    );
  }

  /** The arguments as the service takes them. The caller's own objects are offered under its own name. */
  private legacyBody(member: MemberReference, caller: Connection): unknown[] {
    const { client, service } = this.object.conversation;
    const home = client.translator.client(caller).conversation(service);
    const handles = new HandleArguments(this.arrival, this.arrival.argumentCount, home);
    const call: MappedMessage = { part: 'call', ...member };
    try {
      const body = toLegacy(service.mapping, call, this.message.body, handles.path);
      handles.mustBeUsed();
      return body;
    } finally {
      home.endIfIdle();
    }
  }

  private deliver(
    bytes: Uint8Array,
    caller: Connection,
    answerTo: (reply: HeldHandle) => ServiceAnswer,
  ): void {
    const { conversation } = this.object;
    const { client, service } = conversation;
    const { translator } = client;
    const isReached = conversation.reach(caller, (handle, { facet, replyFacet }) => {
      translator.mustPermit(facet, bytes, caller);
      translator.show(bytes, caller);
      const { descriptors, reply } = this.arrival;
      const sent = { bytes, sender: caller.number, replyFacet, descriptors };
      const answer = reply === null ? undefined : answerTo(reply);
      const status = client.send(handle, answer === undefined ? sent : { ...sent, answer });
      if (status === SendStatus.Sent) {
        if (answer !== undefined) this.arrival.takeReply();
        return;
      }
      answer?.cancel();
      if (reply !== null) reply.context = this.arrival;
      throw new DriverError(...failureOf(status));
    });
    if (isReached) return;
    throw new DriverError(
      ErrorName.ServiceUnknown,
      `the name ${service.name} has no owner, and no service can be started for it`,
    );
  }

  /** Any holder of a handle to an object can have the object's signals sent to a node of its own. */
  private subscribe(target: Target): void {
    const { message, object } = this;
    const [path] = message.body;
    if (message.member !== 'Subscribe' || message.signature !== 'o') {
      throw new DriverError(
        ErrorName.UnknownMethod,
        `${SIGNALS} has one method, Subscribe(o listener)`,
      );
    }
    const index = handleIndex(String(path));
    const listener = index < this.arrival.argumentCount ? this.arrival.takeHandle(index) : null;
    if (listener === null) throw invalid('Subscribe takes a handle to the receiver of the signals');
    const begun = new SignalListener(object, target, listener);
    begun.begin();
    const reply = this.arrival.takeReply();
    const { client, service } = object.conversation;
    service.whenWatched(() => {
      if (!client.peer.live) return;
      if (reply !== null) this.confirm(reply);
      service.tellKept(begun);
    });
  }

  /** So `bus.mapped` knows that it does not talk to a service that has no mapping. */
  private tellKind({ kind }: Target): void {
    if (this.message.member !== 'GetKind' || (this.message.signature ?? '') !== '') {
      throw new DriverError(
        ErrorName.UnknownMethod,
        `${MAPPING} has one method, GetKind() with the service and the kind of object in the mapping`,
      );
    }
    const reply = this.arrival.takeReply();
    if (reply === null) return;
    const { mapping } = this.object.conversation.service;
    this.answer(reply, 'ss', [mapping.service, kind.name]);
  }

  private confirm(reply: HeldHandle): void {
    this.answer(reply, '', []);
  }

  private answer(reply: HeldHandle, signature: string, body: readonly unknown[]): void {
    const { client } = this.object.conversation;
    const { serial: replySerial, sender: destination } = this.message;
    const fields = {
      type: MessageType.MethodReturn,
      flags: MessageFlag.NoReplyExpected,
      serial: client.translator.serials.next(),
      replySerial,
      sender: DRIVER_NAME,
      destination,
      ...(signature === '' ? {} : { signature }),
    };
    client.sendReply(reply, { bytes: encodeMessage(fields, body), sender: DRIVER_NUMBER });
  }
}

function invalid(text: string): DriverError {
  return new DriverError(ErrorName.InvalidArgs, text);
}

/**
 * The service's name for the member. A call without an interface goes to the first interface in the mapping that has
 * such a method, the object's own first. Otherwise it could bypass the mapping's rules.
 */
function legacyMember(
  mapping: Mapping,
  kind: ObjectKind,
  message: DecodedMessage,
): MemberReference {
  const { interface: name, member = '' } = message;
  if (name !== undefined) return toLegacyMember(mapping, { interface: name, member });
  for (const own of [...kind.interfaces, ...mapping.interfaces.keys()]) {
    const methods = mapping.interfaces.get(own)?.methods.values() ?? [];
    for (const { name: legacy, nativeName } of methods) {
      if (nativeName === member) return { interface: own, member: legacy };
    }
  }
  return { interface: STANDARD_METHODS.get(member) ?? '', member };
}

/** The standard methods that are translated: D-Bus Specification, "Standard Interfaces". */
const STANDARD_METHODS: ReadonlyMap<string, string> = new Map([
  ['Get', PROPERTIES],
  ['Set', PROPERTIES],
  ['GetAll', PROPERTIES],
  ['GetManagedObjects', 'org.freedesktop.DBus.ObjectManager'],
]);

/** The arguments of a call of org.freedesktop.DBus.Properties, with the service's name of the interface. */
function subjectOf(mapping: Mapping, { body }: DecodedMessage): readonly unknown[] {
  const [name, ...rest] = body;
  return [typeof name === 'string' ? toLegacyInterface(mapping, name) : name, ...rest];
}

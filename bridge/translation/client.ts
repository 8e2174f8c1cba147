import {
  NewNode,
  SendStatus,
  type DescriptorSet,
  type Handle,
  type Node,
  type Message,
  type Trace,
} from '#core/index.js';
import { errorMessage } from '#bridge/driver/messages.js';
import { NOBODY } from '#bridge/registry/connection.js';
import type { Place } from '#bridge/peer/incoming-check.js';
import type { HandleHolder, HeldHandle } from '#bridge/peer/parcel.js';
import { Participant } from '#bridge/peer/participant.js';
import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NUMBER, type Envelope } from '#bridge/registry/envelope.js';
import { secondTry } from '#bridge/registry/second-try.js';
import type { DecodedMessage } from '#bridge/wire/message.js';
import { Serials } from '#bridge/wire/serials.js';
import { wantsReply } from '#bridge/wire/types.js';
import type { Facet } from '#policy/index.js';

import { Answer } from './answer.js';
import { Arrival, type NodeContext } from './arrival.js';
import { Conversation } from './conversation.js';
import { ReturnNode } from './return-node.js';
import type { Service } from './service.js';
import type { Translator } from './translator.js';

type ReceivedMessage = Message<Envelope, unknown, HandleHolder>;

/** What a translating peer sends. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  /** the number of the unique name that the message has as its sender */
  readonly sender: number;
  /** the part of the policy that the answer to a call must still pass */
  readonly replyFacet?: Facet | null;
  readonly transfers?: readonly Handle[];
  readonly descriptors?: DescriptorSet | null;
  /** receives the answer; absent: none is expected */
  readonly answer?: Answer;
}

/**
 * The translating peer of one native peer. It owns the nodes that represent objects of services towards the native
 * peer, and those at which services reach the native peer. The native peer's user is charged for it.
 */
export class Client extends Participant<NodeContext, HandleHolder> implements HandleHolder {
  readonly translator: Translator;
  readonly connection: Connection;
  /** calls that are under way */
  readonly awaited = new Set<Answer>();
  private readonly conversations = new Map<Service, Conversation>();
  /** to the native peer itself; null: it has left */
  private inbox: HeldHandle | null;
  private readonly returnNodes = new Set<Node<NodeContext>>();
  private offerCount = 0;
  private readonly errorSerials = new Serials(0x8000_0000);

  constructor(translator: Translator, connection: Connection) {
    const { host } = translator;
    super(host, host.userOf(connection.credentials.uid ?? NOBODY));
    this.translator = translator;
    this.connection = connection;
    this.inbox = host.driver.registry.peer.copyHandle(connection.inbox, this.peer);
    this.inbox.context = this;
  }

  /** The native peer's use of a service. */
  conversation(service: Service): Conversation {
    let conversation = this.conversations.get(service);
    if (conversation === undefined) {
      conversation = new Conversation(this, service);
      this.conversations.set(service, conversation);
    }
    return conversation;
  }

  all(): Conversation[] {
    return [...this.conversations.values()];
  }

  /** Whether an answer of the service is awaited. */
  isCalling(service: Service): boolean {
    for (const answer of this.awaited) if (answer.isFrom(service)) return true;
    return false;
  }

  /** Ends the native peer's conversation with the service, unless something is left of it. */
  endIfIdleWith(service: Service): void {
    this.conversations.get(service)?.endIfIdle();
  }

  forget(conversation: Conversation): void {
    this.conversations.delete(conversation.service);
    this.endIfIdle();
  }

  /** Makes a node for a service that sends to the native peer, and returns the registry's handle to it. */
  returnHandle(): Handle {
    const { node, handle } = this.peer.createNode(this.translator.registry.peer);
    node.context = new ReturnNode(this, () => this.returnNodes.delete(node));
    this.returnNodes.add(node);
    return handle;
  }

  /** The number of the next object that the native peer offers. */
  nextOfferNumber(): number {
    this.offerCount++;
    return this.offerCount;
  }

  send(handle: Handle, outgoing: Outgoing): SendStatus {
    const {
      bytes,
      sender,
      replyFacet = null,
      transfers = [],
      descriptors = null,
      answer,
    } = outgoing;
    const message = this.translator.compose(bytes, sender, replyFacet);
    message.descriptors = descriptors;
    for (const transfer of transfers) message.addTransfer(transfer);
    if (answer !== undefined) {
      message.newNode = NewNode.OneShot;
      message.newNodeContext = answer;
    }
    let status = this.peer.send(handle, message);
    if (status === SendStatus.OverQuota) {
      status = secondTry(this.peer, handle, message, this.translator.host);
    }
    if (status === SendStatus.Sent && answer !== undefined) answer.node = message.createdNode;
    return status;
  }

  /** Sends to the native peer itself. */
  sendHome(outgoing: Outgoing): SendStatus {
    return this.inbox === null ? SendStatus.BadHandle : this.send(this.inbox, outgoing);
  }

  /** Sends an answer through its reply handle. A caller that has no room for it gets NoReply. */
  sendReply(reply: Handle, outgoing: Outgoing): void {
    const status = this.send(reply, outgoing);
    if (status !== SendStatus.Sent && reply.live) this.peer.release(reply);
  }

  /** Answers a call with an error from the bus, if it expects a reply. */
  refuse(call: DecodedMessage, reply: Handle | null, errorName: string, text: string): void {
    if (reply === null || !wantsReply(call)) return;
    const { sender = this.connection.uniqueName, serial } = call;
    const bytes = errorMessage(this.errorSerials.next(), serial, sender, errorName, text);
    this.sendReply(reply, { bytes, sender: DRIVER_NUMBER });
  }

  protected placeOf(node: Node<NodeContext>): Place | null {
    return node.context!.place;
  }

  protected take(node: Node<NodeContext>, message: ReceivedMessage, trace: Trace): void {
    this.arrived(node, new Arrival(message, trace, this.peer));
  }

  protected reject(node: Node<NodeContext>, message: ReceivedMessage, trace: Trace): void {
    this.arrived(node, new Arrival(message, trace, this.peer, this.host.incoming.fault));
  }

  private arrived(node: Node<NodeContext>, arrival: Arrival): void {
    const context = node.context!; // each node of this peer gets one as it is made
    if (context instanceof Answer) context.node = null;
    this.translator.defer(() => {
      if (this.peer.live) context.arrived(arrival);
      else arrival.drop();
    });
  }

  handleReleased(node: Node<NodeContext>): void {
    const context = node.context!;
    if (context instanceof Answer) context.node = null;
    this.translator.defer(() => {
      if (this.peer.live) context.abandoned();
    });
  }

  nodeReleased(handle: HeldHandle): void {
    handle.context?.lost(handle);
  }

  /** The native peer has left. Handles that it has passed on remain valid. */
  lost(): void {
    this.inbox = null;
    this.translator.defer(() => this.left());
  }

  private left(): void {
    const nodes = [...this.returnNodes];
    this.returnNodes.clear();
    const unwanted = [...this.awaited].filter(({ reply }) => reply === null);
    for (const answer of unwanted) {
      if (answer.node !== null) nodes.push(answer.node);
      this.awaited.delete(answer);
    }
    this.peer.releaseAll(nodes);
    for (const answer of unwanted) answer.giveUp();
    for (const conversation of this.all()) conversation.withdrawOffers();
    this.endIfIdle();
  }

  /** Closes the peer when the native peer has left and no other peer needs its nodes. */
  endIfIdle(): void {
    if (this.inbox !== null || this.conversations.size > 0 || this.awaited.size > 0) return;
    if (!this.peer.live) return;
    this.translator.forget(this);
    this.peer.close();
  }
}

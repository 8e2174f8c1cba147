import type { Node } from '#core/index.js';
import type { Place } from '#bridge/peer/incoming-check.js';
import type { HandleHolder, HeldHandle } from '#bridge/peer/parcel.js';

import type { Arrival, NodeContext } from './arrival.js';
import type { Client } from './client.js';
import type { Service } from './service.js';

/** The `context` of the one-shot node at which the answer to a translated call arrives. */
export abstract class Answer implements NodeContext, HandleHolder {
  abstract readonly place: Place | null;
  readonly client: Client;
  /** null: it was used, or no handle to it is left */
  node: Node<NodeContext> | null = null;
  /** where the answer goes; null: no answer is wanted */
  reply: HeldHandle | null;

  constructor(client: Client, reply: HeldHandle | null) {
    this.client = client;
    this.reply = reply;
    if (reply !== null) reply.context = this;
    client.awaited.add(this);
  }

  arrived(arrival: Arrival): void {
    this.client.awaited.delete(this);
    try {
      this.pass(arrival);
    } finally {
      arrival.drop();
      this.giveUp();
      this.client.endIfIdle();
    }
  }

  /** There will be no answer: the caller gets NoReply, as if it had called the service itself. */
  abandoned(): void {
    this.client.awaited.delete(this);
    this.giveUp();
    this.client.endIfIdle();
  }

  /** The caller no longer waits. The answer is still awaited, because the handles that it brings must be released. */
  lost(): void {
    this.reply = null;
  }

  /** Releases the reply handle, unless it has been used. */
  giveUp(): void {
    const { reply, client } = this;
    this.reply = null;
    if (reply !== null && client.peer.live) client.peer.release(reply);
  }

  /** The call could not be passed on: its reply handle stays in the message that brought it. */
  cancel(): void {
    this.client.awaited.delete(this);
    this.reply = null;
  }

  /** Whether this is the answer of a service to a native peer. */
  isFrom(_service: Service): boolean {
    return false;
  }

  /** The reply handle, whose ownership goes to the caller; null: no answer is wanted. */
  protected takeReply(): HeldHandle | null {
    const { reply } = this;
    this.reply = null;
    return reply;
  }

  /** Translates what has arrived, and sends it through the handle that `takeReply` returns. */
  protected abstract pass(arrival: Arrival): void;
}

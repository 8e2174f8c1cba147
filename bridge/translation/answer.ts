import type { Handle, Node } from '#core/index.js';

import type { Arrival } from './arrival.js';
import type { Client } from './client.js';
import type { HandleContext, NodeContext } from './contexts.js';
import type { Service } from './service.js';

/** Stands behind the one-shot node at which the answer to a call comes in that was passed on in other words. */
export abstract class Answer implements NodeContext, HandleContext {
  readonly client: Client;
  /** null when it was used, or cannot be any more */
  node: Node | null = null;
  /** where the answer goes; null: no answer is wanted */
  reply: Handle | null;

  constructor(client: Client, reply: Handle | null) {
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
      arrival.finish(this.client.peer);
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

  /** The caller waits no longer. The answer is awaited all the same: what it brings has to be given back. */
  lost(): void {
    this.reply = null;
  }

  /** Lets go of the reply handle, unless it has been used. */
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
  protected takeReply(): Handle | null {
    const { reply } = this;
    this.reply = null;
    return reply;
  }

  /** Says in the caller's words what has come in, by `sendReply`. */
  protected abstract pass(arrival: Arrival): void;
}

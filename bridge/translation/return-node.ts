import { SendStatus } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import { failureOf } from '#bridge/registry/send-failure.js';
import type { DecodedMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';

import type { Arrival, NodeContext } from './arrival.js';
import type { Client } from './client.js';

/**
 * Context of the node at which a service reaches a native peer by its unique name. Calls by path to objects that the
 * native peer has offered become calls through their handles; everything else is passed on unchanged.
 */
export class ReturnNode implements NodeContext {
  readonly place = null;
  private readonly client: Client;
  private readonly forget: () => void;

  constructor(client: Client, forget: () => void) {
    this.client = client;
    this.forget = forget;
  }

  arrived(arrival: Arrival): void {
    arrival.dropAfter(() => {
      const { translator } = this.client;
      const message = arrival.read();
      const sender = translator.connectionOf(message?.sender);
      if (message !== undefined && sender !== undefined) this.pass(arrival, message, sender);
    });
  }

  /** The service does not send to the native peer any more. */
  abandoned(): void {
    this.forget();
  }

  private pass(arrival: Arrival, message: DecodedMessage, sender: Connection): void {
    const { client } = this;
    const conversations = client.all().filter(({ service }) => service.owner === sender);
    const offer = conversations
      .map((each) => each.offerAt(message.path ?? ''))
      .find((one) => one !== undefined);
    if (offer !== undefined && message.type === MessageType.MethodCall) {
      return offer.pass(arrival, message, sender);
    }
    this.passAsItIs(arrival, message, sender);
    if (message.type !== MessageType.Signal) return;
    const { bytes, descriptors } = arrival;
    client.translator.heard({ message, bytes, descriptors, sender }, client.connection);
  }

  private passAsItIs(arrival: Arrival, message: DecodedMessage, sender: Connection): void {
    const { client } = this;
    const transfers = [];
    for (let i = 0; i < arrival.handleCount; i++) {
      const handle = arrival.handle(i);
      if (handle !== null) transfers.push(handle);
    }
    const { bytes, descriptors } = arrival;
    const status = client.sendHome({ bytes, sender: sender.number, transfers, descriptors });
    if (status === SendStatus.Sent) return;
    client.refuse(message, arrival.takeReply(), ...failureOf(status));
  }
}

import type { Handle } from '#core/index.js';
import { handlePath } from '#bridge/client/object-protocol.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { ObjectKind } from '#mappings/index.js';

import type { Conversation } from './conversation.js';
import { ObjectNode } from './object-node.js';

/** The handles that one message brings to a native peer in place of paths. */
export class NewHandles {
  readonly all: Handle[] = [];
  private readonly conversation: Conversation;
  private readonly holder: Connection;
  private readonly known = new Map<string, string>();

  constructor(conversation: Conversation, holder: Connection) {
    this.conversation = conversation;
    this.holder = holder;
  }

  /** For `toNative`: what replaces `path` in the body. The same object gets the same handle. */
  readonly open = (path: string, kind: ObjectKind, busName: string | undefined): string => {
    const key = [busName, kind.name, path].join(' ');
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const conversation = this.conversationWith(busName);
    if (conversation === undefined) return path;
    this.all.push(conversation.open(kind, path, this.holder));
    const text = handlePath(this.all.length - 1);
    this.known.set(key, text);
    return text;
  };

  get objects(): ObjectNode[] {
    return this.all.flatMap(({ node: { context } }) =>
      context instanceof ObjectNode ? [context] : [],
    );
  }

  /**
   * Releases them once they are sent, or not needed: the receiver has handles of its own. `isStale`: the connection
   * that named these objects is no longer the service.
   */
  release(isStale: boolean): void {
    const { objects } = this;
    this.conversation.client.peer.releaseAll(this.all);
    for (const object of objects) {
      const { conversation } = object;
      if (isStale || conversation.way?.owner === undefined) conversation.close(object);
    }
  }

  /** Undefined: the connection does not exist, or is a native peer and grants handles itself. */
  private conversationWith(busName: string | undefined): Conversation | undefined {
    const { client, service } = this.conversation;
    const { registry } = client.translator;
    if (busName === undefined || busName === service.name) return this.conversation;
    const owner = registry.owner(busName);
    if (owner === service.owner) return this.conversation;
    if (owner === undefined || owner.isNative) return undefined;
    return client.conversation(client.translator.service(busName, service.mapping));
  }
}

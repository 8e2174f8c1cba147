import type { Handle, Message, Node, Peer } from '#core/index.js';
import type { Envelope } from '#bridge/registry/envelope.js';
import { Resolution } from '#bridge/registry/control-message.js';
import type { Facet } from '#policy/index.js';

import type { Destination } from './destinations.js';

/** The `context` of a shim's inbox, the node under which its unique name is reached. */
export const INBOX = Symbol('inbox');

/** The `context` of the node at which a monitor gets its copies. */
export const CAPTURE = Symbol('capture');

/** The `context` of a shim's node for one well-known name. Of a reply node it is the serial of the call, a number. */
export const NAME_NODE = Symbol('name node');

/** The `context` of the reply node of a request for admission. */
export const ADMISSION = Symbol('admission');

/** The `context` of the reply node of a Resolve request to the registry, and its answer once it has arrived. */
export class Lookup {
  readonly name: string;
  isAnswered = false;
  resolution: Resolution = Resolution.Unowned;
  handle: ShimHandle | null = null;
  /** the owner's number (envelope.ts); -1: none */
  owner = -1;

  constructor(name: string) {
    this.name = name;
  }

  answer(resolution: Resolution, owner: number, handle: ShimHandle | null): void {
    this.isAnswered = true;
    this.owner = owner;
    this.resolution = resolution;
    this.handle = handle;
  }
}

/** What a shim keeps with a node. A number: the serial of the call whose reply arrives there. */
export type ShimNodeContext =
  | typeof INBOX
  | typeof CAPTURE
  | typeof NAME_NODE
  | typeof ADMISSION
  | Lookup
  | number;

/** What a shim keeps with a handle: the destination that it leads to, or the facet that checks a reply through it. */
export type ShimHandleContext = Destination | Facet;

export type ShimPeer = Peer<ShimNodeContext, ShimHandleContext>;
export type ShimNode = Node<ShimNodeContext>;
export type ShimHandle = Handle<ShimHandleContext>;
/** A reply handle. */
export type ReplyHandle = Handle<Facet>;
/** A message that a shim sends. */
export type ShimMessage = Message<Envelope, ShimNodeContext, never>;
/** A message that has arrived at a node of a shim; its last handle may become a reply handle. */
export type ArrivedMessage = Message<Envelope, unknown, Facet>;

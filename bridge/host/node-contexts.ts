import type { Handle } from '#core/index.js';
import { Resolution } from '#bridge/registry/control-message.js';

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
  handle: Handle | null = null;
  /** the owner's number (envelope.ts); -1: none */
  owner = -1;

  constructor(name: string) {
    this.name = name;
  }

  answer(resolution: Resolution, owner: number, handle: Handle | null): void {
    this.isAnswered = true;
    this.owner = owner;
    this.resolution = resolution;
    this.handle = handle;
  }
}

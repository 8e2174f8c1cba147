import type { Node } from './node.js';
import type { Peer } from './peer.js';
import type { Trace } from './quota.js';

/**
 * A sending end of a channel (bus1.7, "Handles"): the right to send to one node, held by one peer.
 * A handle is never shared: a copy is another handle with another ID. `Context` is what its holder keeps with it.
 */
export class Handle<Context = unknown> {
  /** unique among the nodes and handles of its owner, never used again */
  id = 0;
  owner: Peer;
  node: Node;
  /** false once released, consumed, or notified of its node's release */
  live = true;
  /** the holder's own data, for use when the node is released */
  context: Context | null = null;
  /** positions of the entries about it in its owner's queue (`Queue`) */
  waiting: number[] | null = null;
  /** the trace that this handle was charged to when it arrived in a message */
  charge: Trace | null = null;

  previousOfNode: Handle | null = null;
  nextOfNode: Handle | null = null;
  previousOwned: Handle | null = null;
  nextOwned: Handle | null = null;

  constructor(owner: Peer, node: Node) {
    this.owner = owner;
    this.node = node;
  }

  /** Clears the context of a dead handle, so that any peer can reuse it. */
  forgetContext(): asserts this is Handle<never> {
    this.context = null;
  }
}

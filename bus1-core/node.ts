import type { Handle } from './handle.js';
import type { Peer } from './peer.js';

/**
 * The receiving end of a many-to-one channel (bus1.7, "Nodes"). It belongs to one peer for its whole life
 * and lives until that peer releases it or the last handle to it is gone. `Context` is what its owner keeps with it.
 */
export class Node<Context = unknown> {
  /** unique among the nodes and handles of its owner, never used again */
  id = 0;
  owner: Peer;
  /** still able to receive: false once released or used up, or once HANDLE_RELEASE was delivered */
  live = true;
  /** an extension: the first message that arrives ends the node and consumes the handle it came through */
  oneShot: boolean;
  /** an extension: released, but what was sent to it from other processes may still arrive (`Peer.drain`) */
  isDraining = false;
  /** the owner's own data, for use when something arrives here */
  context: Context | null = null;

  /** positions of the entries about it in its owner's queue: a release finds them without a search (`Queue`) */
  waiting: number[] | null = null;

  /** handles to this node, those in flight included */
  handleCount = 0;
  firstHandle: Handle | null = null;

  previousOwned: Node | null = null;
  nextOwned: Node | null = null;

  constructor(owner: Peer, oneShot: boolean) {
    this.owner = owner;
    this.oneShot = oneShot;
  }

  /** Clears the context of a dead node, so that any peer can reuse it. */
  forgetContext(): asserts this is Node<never> {
    this.context = null;
  }

  link(handle: Handle): void {
    const first = this.firstHandle;
    handle.previousOfNode = null;
    handle.nextOfNode = first;
    if (first !== null) first.previousOfNode = handle;
    this.firstHandle = handle;
    this.handleCount++;
  }

  unlink(handle: Handle): void {
    const previous = handle.previousOfNode;
    const next = handle.nextOfNode;
    if (previous === null) this.firstHandle = next;
    else previous.nextOfNode = next;
    if (next !== null) next.previousOfNode = previous;
    handle.previousOfNode = null;
    handle.nextOfNode = null;
    this.handleCount--;
  }
}

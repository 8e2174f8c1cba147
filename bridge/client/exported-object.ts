import type { Node } from '#core/index.js';
import { Capability } from './capability.js';
import { HeldHandle } from './held-handle.js';
import type { Member } from './member.js';
import { ReceivingNode } from './receiving-node.js';
import { ServedObject } from './served-object.js';
import type { ServedInterface } from './served-interface.js';
import type { Signal } from './signal.js';

/** What the maker of an object wants to know. */
export interface ExportOptions {
  /** gets signals that are sent to this object (`Capability.signal`) */
  readonly onSignal?: ((signal: Signal) => void) | undefined;
  /** called once when nobody has a capability to it any more; its maker's own counts until it is released */
  readonly onEnd?: (() => void) | undefined;
}

/** Stands behind a node that is an object by itself: whatever path a call has, it is for this object. */
class ExportedNode extends ReceivingNode {
  private readonly onEnd: (() => void) | undefined;
  private isOver = false;

  constructor(member: Member, object: ServedObject, onEnd: (() => void) | undefined) {
    super(member, object);
    this.onEnd = onEnd;
    member.hold();
  }

  override unreachable(): void {
    this.end();
    const { onEnd } = this;
    if (onEnd !== undefined) this.member.arrivals.push({ isReply: false, deal: onEnd });
  }

  end(): void {
    if (!this.isOver) this.member.unhold();
    this.isOver = true;
  }
}

/** Makes an object of this process that is reached by a capability: it lives as long as somebody has one. */
export function exportObject(
  member: Member,
  interfaces: readonly ServedInterface[],
  { onSignal, onEnd }: ExportOptions = {},
): Capability {
  member.mustBeOpen();
  const { node, handle } = member.peer.createNode();
  const object = new ServedObject(interfaces, {
    path: undefined,
    children: () => [],
    emit() {},
    close: () => endObject(member, node),
    diagnose: (error) => member.diagnose(error),
  });
  object.onSignal = onSignal;
  node.context = new ExportedNode(member, object, onEnd);
  return new Capability(new HeldHandle(member, handle));
}

/** Ends an object of this process: all who have a capability to it lose that. @throws TypeError for any other */
export function unexportObject(member: Member, capability: Capability): void {
  const { node } = capability.handleToSend();
  if (!(node.context instanceof ExportedNode) || node.owner !== member.peer) {
    throw new TypeError('this is no object that was exported here');
  }
  endObject(member, node);
}

function endObject(member: Member, node: Node): void {
  if (!node.live || !member.isOpen) return;
  (node.context as ExportedNode).end();
  member.peer.release(node);
}

import type { Node } from '#core/index.js';
import { Capability } from './capability.js';
import { HeldHandle } from './held-handle.js';
import { Listeners } from './listeners.js';
import type { Member } from './member.js';
import { ReceivingNode } from './receiving-node.js';
import { ServedObject } from './served-object.js';
import type { ServedInterface } from './served-interface.js';
import type { Signal } from './signal.js';

/** Callbacks for the maker of an object. */
export interface ExportOptions {
  /** gets signals that are sent to this object (`Capability.signal`) */
  readonly onSignal?: ((signal: Signal) => void) | undefined;
  /** called once when no capability to it is left; its maker's own counts until it is released */
  readonly onEnd?: (() => void) | undefined;
}

/** The context of a node that represents one object: every call is for this object, whatever its path. */
class ExportedNode extends ReceivingNode {
  readonly object: ServedObject;
  private readonly listeners: Listeners;
  private readonly onEnd: (() => void) | undefined;
  private isOver = false;

  constructor(
    member: Member,
    object: ServedObject,
    listeners: Listeners,
    onEnd: (() => void) | undefined,
  ) {
    super(member, object);
    this.object = object;
    this.listeners = listeners;
    this.onEnd = onEnd;
    member.hold();
  }

  override unreachable(): void {
    this.over();
    const deal = (): void => {
      this.listeners.close();
      this.onEnd?.();
    };
    this.member.arrivals.push({ isReply: false, deal }); // behind calls of Subscribe that came before
  }

  end(): void {
    this.over();
    this.listeners.close();
  }

  private over(): void {
    if (!this.isOver) this.member.unhold();
    this.isOver = true;
  }
}

/**
 * Makes an object of this process that is reached by a capability: it lives as long as a capability to it exists.
 */
export function exportObject(
  member: Member,
  interfaces: readonly ServedInterface[],
  { onSignal, onEnd }: ExportOptions = {},
): Capability {
  member.mustBeOpen();
  const { node, handle } = member.peer.createNode();
  const listeners = new Listeners(member);
  const object = ServedObject.create([...interfaces, listeners.served()], {
    path: '/',
    children: () => [],
    isHeard: () => !listeners.isEmpty,
    emit: (signal) => listeners.emit(signal),
    close: () => endObject(member, node),
    diagnose: (error) => member.diagnose(error),
  });
  object.onSignal = onSignal;
  node.context = new ExportedNode(member, object, listeners, onEnd);
  return Capability.of(new HeldHandle(member, handle));
}

/** Ends an object of this process: all capabilities to it become invalid. @throws TypeError for any other */
export function unexportObject(member: Member, capability: Capability): void {
  objectOf(member, capability).close();
}

/** The object behind a capability that `exportObject` made. @throws TypeError for any other */
export function objectOf(member: Member, capability: Capability): ServedObject {
  const { node } = capability.handleToSend();
  if (node.context instanceof ExportedNode && node.owner === member.peer)
    return node.context.object;
  throw new TypeError('this is not an object that was exported here');
}

function endObject(member: Member, node: Node): void {
  if (!node.live || !member.isOpen) return;
  if (node.context instanceof ExportedNode) node.context.end();
  member.peer.release(node);
}

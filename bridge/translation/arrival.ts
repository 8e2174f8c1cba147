import type { DescriptorSet, Handle, Message, Peer, Trace } from '#core/index.js';
import { decodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';

import type { HandleContext } from './contexts.js';

/** A message that came in on a node of a translating peer, kept until the transaction that brought it is over. */
export class Arrival implements HandleContext {
  readonly bytes: Uint8Array;
  /** the process that it came from; 0: this one */
  readonly origin: number;
  readonly descriptors: DescriptorSet | null;
  /** whether an answer would go to who has asked */
  private readonly isLastOwn: boolean;
  private readonly trace: Trace;
  /** null where the node is gone, or the handle was taken */
  private readonly handles: (Handle | null)[];

  /** Inside the transaction. */
  constructor(message: Message, trace: Trace) {
    this.bytes = message.copyBytes();
    this.origin = message.origin;
    this.isLastOwn = message.isLastOwn;
    this.descriptors = message.descriptors?.retain() ?? null;
    this.trace = trace;
    this.handles = message.received.slice(0, message.receivedCount);
    for (const handle of this.handles) if (handle !== null) handle.context = this;
  }

  get handleCount(): number {
    return this.handles.length;
  }

  /** The message, if it is one of D-Bus with as many descriptors as it says, whose sender is whom an answer reaches. */
  read(): DecodedMessage | undefined {
    try {
      const message = decodeMessage(this.bytes);
      if (isAwaited(message) && !this.isLastOwn) return undefined;
      return (message.unixFds ?? 0) === (this.descriptors?.count ?? 0) ? message : undefined;
    } catch {
      return undefined;
    }
  }

  /** Null when its node is gone. */
  handle(index: number): Handle | null {
    return this.handles[index] ?? null;
  }

  /** The same for whoever gives it back himself. */
  take(index: number): Handle | null {
    const handle = this.handle(index);
    if (handle !== null) this.handles[index] = null;
    return handle;
  }

  lost(handle: Handle): void {
    const index = this.handles.indexOf(handle);
    if (index >= 0) this.handles[index] = null;
  }

  /** It has been dealt with: gives back what nobody took, and what it was charged. */
  finish(peer: Peer): void {
    this.trace.discharge(1, this.bytes.length, this.descriptors?.count ?? 0);
    this.descriptors?.drop();
    if (!peer.live) return;
    const left = this.handles.splice(0).filter((handle) => handle !== null);
    if (left.length > 0) peer.release(...left);
  }
}

/** Whether an answer is awaited: then the last handle of the message is the one for it. */
export function isAwaited({
  type,
  flags,
}: {
  readonly type: number;
  readonly flags: number;
}): boolean {
  return type === MessageType.MethodCall && (flags & MessageFlag.NoReplyExpected) === 0;
}

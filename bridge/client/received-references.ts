import { closeReceived, duplicate } from '#core/linux/index.js';
import type { MessageReferences } from './body-reader.js';
import { Capability } from './capability.js';
import type { Arrival, ArrivedMessage, HandleContext, OwnHandle } from './contexts.js';
import { HeldHandle } from './held-handle.js';
import type { Member } from './member.js';
import { NotedHandles } from './noted-handles.js';

/** Handles and descriptors that came with a message. Those that its body does not refer to are given back. */
export class ReceivedReferences implements MessageReferences, Arrival {
  readonly isReply = false;
  private readonly member: Member;
  private readonly handles: readonly OwnHandle[];
  private readonly noted: NotedHandles<HandleContext>;
  private readonly fds: readonly number[];
  private readonly capabilities: Capability[] = [];
  private readonly duplicates: number[] = [];

  /** Inside a transaction; the first `handleCount` handles are arguments. */
  constructor(member: Member, message: ArrivedMessage, handleCount: number) {
    this.member = member;
    this.handles = message.received.slice(0, handleCount);
    this.noted = new NotedHandles(this.handles);
    this.fds = message.descriptors?.fds ?? [];
    if (handleCount > 0) member.arrivals.push(this);
  }

  capability(index: number): Capability | undefined {
    const handle = this.handles[index];
    if (handle === undefined) return undefined;
    return (this.capabilities[index] ??= Capability.of(new HeldHandle(this.member, handle)));
  }

  /** A duplicate for the receiver: the core closes the original when the message is gone. */
  descriptor(index: number): number {
    const fd = this.fds[index];
    if (fd === undefined)
      throw new Error(
        `the message refers to file descriptor ${index}, but has only ${this.fds.length}`,
      );
    return (this.duplicates[index] ??= duplicate(fd));
  }

  /** Closes the duplicates: no handler will get the body. */
  closeDescriptors(): void {
    for (const fd of this.duplicates.splice(0)) if (fd !== undefined) closeReceived(fd);
  }

  deal(): void {
    const { member, noted, capabilities } = this;
    if (member.isOpen) noted.releaseFrom(member.peer, (i) => capabilities[i] !== undefined);
  }
}

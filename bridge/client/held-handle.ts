import type { Handle } from '#core/index.js';
import type { HandleContext, OwnHandle } from './contexts.js';
import { ClientError } from './errors.js';
import { OutgoingHeaders } from './outgoing-header.js';
import type { Member } from './member.js';

/**
 * A handle that this process holds. The `Capability` that programs see is another object: when that is
 * garbage-collected, the handle is released.
 */
export class HeldHandle implements HandleContext {
  readonly isReply = false;
  readonly member: Member;
  /** the destination of calls through it, for a handle that was found by name */
  readonly destination: string | undefined;
  readonly headers = new OutgoingHeaders();
  /**
   * Called once when the node is gone; each with its capability, which must not be garbage-collected, and so
   * released, meanwhile.
   */
  private readonly listeners = new Map<() => void, unknown>();
  private current: OwnHandle | null;
  private isLost = false;

  constructor(member: Member, handle: OwnHandle, destination?: string) {
    this.member = member;
    this.current = handle;
    this.destination = destination;
    handle.context = this;
  }

  /** Undefined when it is gone. */
  get handle(): OwnHandle | undefined {
    return this.current ?? undefined;
  }

  /** @throws ClientError when it is gone */
  use(): OwnHandle {
    if (!this.member.isOpen) this.member.mustBeOpen();
    if (this.current !== null) return this.current;
    const what =
      this.destination === undefined ? 'the object' : `the owner of '${this.destination}'`;
    throw new ClientError(
      'CapabilityLost',
      `${what} is gone, or the capability was released: get a new one`,
    );
  }

  /** The handle of a one-shot node ends with its use; the object may then be reused for another handle. */
  forgetIfUsedUp(handle: Handle): void {
    if (!handle.live && this.current === handle) this.lost();
  }

  /**
   * Calls `listener` once when the node is gone, soon if it is already, and keeps `keeper` until then; returns a
   * function that cancels this.
   */
  listen(listener: () => void, keeper: unknown): () => void {
    const once = (): void => listener(); // the same function may listen twice
    this.listeners.set(once, keeper);
    if (this.isLost) this.member.arrivals.push(this);
    return () => void this.listeners.delete(once);
  }

  lost(): void {
    this.current = null;
    this.isLost = true;
    if (this.listeners.size > 0) this.member.arrivals.push(this);
  }

  deal(): void {
    const listeners = [...this.listeners.keys()];
    this.listeners.clear();
    for (const listener of listeners) listener();
  }

  release(): void {
    const handle = this.current;
    this.current = null;
    this.isLost = false;
    this.listeners.clear();
    this.member.objectSignals?.released(this);
    if (handle === null || !this.member.isOpen) return;
    handle.context = null;
    this.member.peer.release(handle);
  }
}

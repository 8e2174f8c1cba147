import type { HandleHolder, HeldHandle } from '#bridge/peer/parcel.js';
import type { ObjectNode, Target } from './object-node.js';

/**
 * A subscriber to the signals of an object, at a node of its own, for as long as the handle to the object is held.
 */
export class SignalListener implements HandleHolder {
  readonly object: ObjectNode;
  readonly target: Target;
  readonly handle: HeldHandle;

  constructor(object: ObjectNode, target: Target, handle: HeldHandle) {
    this.object = object;
    this.target = target;
    this.handle = handle;
    handle.context = this;
  }

  begin(): void {
    this.object.listeners.add(this);
    this.object.conversation.service.listen(this);
  }

  /** The subscriber is gone, or has unsubscribed. */
  lost(): void {
    this.forget();
  }

  close(): void {
    this.forget();
    const { peer } = this.object.conversation.client;
    if (this.handle.live && peer.live) peer.release(this.handle);
  }

  private forget(): void {
    this.object.listeners.delete(this);
    this.object.conversation.service.unlisten(this);
  }
}

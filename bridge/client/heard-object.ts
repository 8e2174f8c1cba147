import type { Observer } from 'rxjs';
import type { Capability } from './capability.js';
import { exportObject, objectOf } from './exported-object.js';
import { SIGNALS } from './object-protocol.js';
import type { Member } from './member.js';
import type { ServedObject } from './served-object.js';
import type { Signal } from './signal.js';

/** An object whose signals are received through a capability: one listener for all subscribers in this process. */
export class HeardObject {
  private readonly observers = new Set<Observer<Signal>>();
  private readonly onOver: () => void;
  /**
   * Kept, because a capability that is garbage-collected is released, and its object may end with it; undefined
   * when the subscription is over.
   */
  private capability: Capability | undefined;
  private readonly listener: ServedObject;
  private unwatch = (): void => {};

  /** `onOver` is called once, when there are no more signals or no more subscribers. */
  constructor(member: Member, capability: Capability, path: string, onOver: () => void) {
    this.capability = capability;
    this.onOver = onOver;
    const listener = exportObject(member, [], {
      onSignal: (signal) => this.deliver(signal),
      onEnd: () => this.complete(),
    });
    this.listener = objectOf(member, listener);
    const subscribe = { path, interface: SIGNALS, member: 'Subscribe', signature: 'o' };
    capability.call({ ...subscribe, body: [listener] }).then(
      () => this.begun(listener),
      (error) => this.fail(error),
    );
  }

  /** Returns a function that unsubscribes. */
  add(observer: Observer<Signal>): () => void {
    this.observers.add(observer);
    return () => {
      if (this.observers.delete(observer) && this.observers.size === 0) this.end();
    };
  }

  /** There will be no more signals. */
  complete(): void {
    for (const observer of this.end()) observer.complete();
  }

  private begun(listener: Capability): void {
    if (this.capability === undefined) return;
    listener.release(); // from now on it ends with the object
    this.unwatch = this.capability.onRelease(() => this.complete());
  }

  private deliver(signal: Signal): void {
    for (const observer of Array.from(this.observers)) observer.next(signal);
  }

  private fail(error: unknown): void {
    for (const observer of this.end()) observer.error(error);
  }

  /** Ends the subscription; returns the observers that it had. */
  private end(): readonly Observer<Signal>[] {
    const left = Array.from(this.observers);
    this.observers.clear();
    if (this.capability === undefined) return left;
    this.unwatch();
    this.unwatch = () => {};
    this.capability = undefined;
    this.listener.close();
    this.onOver();
    return left;
  }
}

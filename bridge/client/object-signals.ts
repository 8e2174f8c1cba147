import type { Observer } from 'rxjs';
import type { Capability } from './capability.js';
import { HeardObject } from './heard-object.js';
import type { HeldHandle } from './held-handle.js';
import type { Member } from './member.js';
import { PEER } from './object-interfaces.js';
import { Stream } from './stream.js';

/** Which signals of its object a proxy subscribes to. */
export interface ObjectSignalRule {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
}

/** The objects whose signals this process gets through capabilities, by `org.bus1.Signals`: that needs no bus. */
export class ObjectSignals {
  private readonly member: Member;
  /** by path, for a handle to a service leads to all of its objects */
  private readonly heard = new Map<HeldHandle, Map<string, HeardObject>>();

  constructor(member: Member) {
    this.member = member;
  }

  /** The bodies of the object's signals; the object has a subscription while there are subscribers here. */
  bodies(
    capability: Capability,
    held: HeldHandle,
    { path, interface: iface, member }: ObjectSignalRule,
  ): Stream<readonly unknown[]> {
    const isHeard = async (): Promise<void> => {
      // Follows the subscription to the same process: the reply means that the object has taken both.
      await capability.call({ path, interface: PEER, member: 'Ping' });
    };
    const subscribe = (observer: Observer<readonly unknown[]>): (() => void) =>
      this.object(capability, held, path).add({
        next: (signal) => {
          if (signal.member === member && signal.interface === iface) observer.next(signal.body);
        },
        error: (error) => observer.error(error),
        complete: () => observer.complete(),
      });
    return new Stream(subscribe, undefined, isHeard);
  }

  /** This process has given the handle back. */
  released(held: HeldHandle): void {
    for (const object of Array.from(this.heard.get(held)?.values() ?? [])) object.complete();
  }

  /** There will be no more signals. */
  complete(): void {
    for (const held of Array.from(this.heard.keys())) this.released(held);
  }

  private object(capability: Capability, held: HeldHandle, path: string): HeardObject {
    let byPath = this.heard.get(held);
    if (byPath === undefined) this.heard.set(held, (byPath = new Map<string, HeardObject>()));
    const known = byPath.get(path);
    if (known !== undefined) return known;
    const paths = byPath;
    const object = new HeardObject(this.member, capability, path, () => {
      paths.delete(path);
      if (paths.size === 0) this.heard.delete(held);
    });
    paths.set(path, object);
    return object;
  }
}

import type { Handle } from '#core/index.js';
import type { Grants } from '#bridge/registry/grants.js';
import type { Standing, Subject } from '#bridge/registry/connection.js';
import type { Facet } from '#policy/index.js';

/** A name that a connection has sent to, and the capability that it leads to. */
export class Destination {
  readonly name: Uint8Array;
  readonly hash: number;
  readonly handle: Handle;
  /** the connection that it leads to; null: a service that has yet to start, or the driver */
  readonly owner: Subject | null;
  /** checks each message; null: no message has to be checked */
  facet: Facet | null = null;
  /** checks each reply; null: no reply has to be checked */
  replyFacet: Facet | null = null;
  /** the standings of sender and owner for which these were decided */
  private sendersStanding: Standing | null = null;
  private ownersStanding: Standing | null = null;
  /** it leads to a node where messages wait for a service to start */
  readonly isParking: boolean;
  readonly isDriver: boolean;
  next: Destination | null = null;

  constructor(init: Pick<Destination, 'name' | 'handle' | 'owner' | 'isParking' | 'isDriver'>) {
    this.name = init.name;
    this.hash = hashOf(init.name, 0, init.name.length);
    this.handle = init.handle;
    this.owner = init.owner;
    this.isParking = init.isParking;
    this.isDriver = init.isDriver;
  }

  /** Whether what was decided for `sender` still holds. */
  // hot
  isDecidedFor(sender: Subject): boolean {
    const { owner } = this;
    return (
      this.sendersStanding === sender.standing &&
      (owner === null || this.ownersStanding === owner.standing)
    );
  }

  /** Asks the policy what `sender` may send here. */
  decide(sender: Subject, grants: Grants): void {
    const { owner } = this;
    if (this.isDriver) this.facet = grants.toDriver(sender);
    else {
      const grant =
        owner === null
          ? grants.withServiceToStart(sender, Buffer.from(this.name).toString('latin1'))
          : grants.between(sender, owner);
      this.facet = grant.facet;
      this.replyFacet = grant.replyFacet;
    }
    this.sendersStanding = sender.standing;
    this.ownersStanding = owner === null ? null : owner.standing;
  }

  // hot
  isNamed(bytes: Uint8Array, offset: number, length: number): boolean {
    const { name } = this;
    if (length !== name.length) return false;
    for (let i = length - 1; i >= 0; i--) if (bytes[offset + i] !== name[i]) return false;
    return true;
  }
}

/** The handles that one connection has got, found by the bytes of the name, without making strings. */
export class Destinations {
  private last: Destination | null = null;
  private readonly byHash = new Map<number, Destination>();
  size = 0;

  // hot
  find(bytes: Uint8Array, offset: number, length: number): Destination | null {
    const { last } = this;
    if (last !== null && last.isNamed(bytes, offset, length)) return last;
    let found = this.byHash.get(hashOf(bytes, offset, length)) ?? null;
    while (found !== null && !found.isNamed(bytes, offset, length)) found = found.next;
    if (found !== null) this.last = found;
    return found;
  }

  add(destination: Destination): void {
    destination.next = this.byHash.get(destination.hash) ?? null;
    this.byHash.set(destination.hash, destination);
    this.last = destination;
    this.size++;
  }

  /** Forgets a name that leads to another node now; returns the old handle, or null. */
  forget(name: Uint8Array): Handle | null {
    const known = this.find(name, 0, name.length);
    if (known === null || known.isDriver) return null;
    this.remove(known);
    return known.handle;
  }

  remove(destination: Destination): void {
    if (this.last === destination) this.last = null;
    let at = this.byHash.get(destination.hash) ?? null;
    if (at === destination) {
      if (destination.next === null) this.byHash.delete(destination.hash);
      else this.byHash.set(destination.hash, destination.next);
      this.size--;
      return;
    }
    for (; at !== null; at = at.next) {
      if (at.next !== destination) continue;
      at.next = destination.next;
      this.size--;
      return;
    }
  }
}

/** FNV-1a, cut to what JavaScript engines keep unboxed. */
// hot
function hashOf(bytes: Uint8Array, offset: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = offset; i < offset + length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >> 1;
}

import { NameQueue, ReleaseNameReply } from './name-queue.js';
import type { RequestNameReply } from './name-queue.js';

/** A name that got, lost or changed its primary owner; exactly what NameOwnerChanged reports. */
export interface NameChange<Owner> {
  readonly name: string;
  readonly oldOwner: Owner | undefined;
  readonly newOwner: Owner | undefined;
}

export interface RequestOutcome<Owner> {
  readonly reply: RequestNameReply;
  /** Present when the primary owner changed. */
  readonly change?: NameChange<Owner>;
}

export interface ReleaseOutcome<Owner> {
  readonly reply: ReleaseNameReply;
  readonly change?: NameChange<Owner>;
}

/**
 * All well-known names of one bus, with their owners and queues.
 *
 * Owners are compared by identity. Names are not checked here: the caller decides first whether a name is valid,
 * reserved or permitted.
 */
export class Names<Owner> {
  readonly #queues = new Map<string, NameQueue<Owner>>();
  /** Names by owner in the order in which it joined their queues, held and waited for alike. */
  readonly #joined = new Map<Owner, Set<string>>();

  request(name: string, owner: Owner, flags: number): RequestOutcome<Owner> {
    const queue = this.#queues.get(name) ?? new NameQueue<Owner>();
    const oldOwner = queue.primary;
    const reply = queue.request(owner, flags);
    this.#queues.set(name, queue);
    this.#noteMembership(name, queue, owner);
    if (oldOwner !== undefined && oldOwner !== owner) this.#noteMembership(name, queue, oldOwner);
    return withChange(reply, name, oldOwner, queue.primary);
  }

  release(name: string, owner: Owner): ReleaseOutcome<Owner> {
    const queue = this.#queues.get(name);
    if (queue === undefined) return { reply: ReleaseNameReply.NonExistent };
    const oldOwner = queue.primary;
    if (!queue.remove(owner)) return { reply: ReleaseNameReply.NotOwner };
    this.#noteMembership(name, queue, owner);
    if (queue.isEmpty) this.#queues.delete(name);
    return withChange(ReleaseNameReply.Released, name, oldOwner, queue.primary);
  }

  /**
   * Takes an owner out of every queue, the name it joined last first (the order in which
   * dbus-daemon gives up the names of a connection that goes away). Returns the changes in that
   * order.
   */
  releaseAll(owner: Owner): NameChange<Owner>[] {
    const names = [...(this.#joined.get(owner) ?? [])].toReversed();
    return names.flatMap((name) => this.release(name, owner).change ?? []);
  }

  primary(name: string): Owner | undefined {
    return this.#queues.get(name)?.primary;
  }

  /**
   * The primary owner, then those in the queue, as ListQueuedOwners reports them; empty for a name without owner.
   */
  queuedOwners(name: string): Owner[] {
    return this.#queues.get(name)?.owners() ?? [];
  }

  /**
   * Names of which this owner is the primary owner, in the order in which it joined their queues.
   */
  namesOf(owner: Owner): string[] {
    return this.joinedNamesOf(owner).filter((name) => this.primary(name) === owner);
  }

  /** Names that this owner waits for, in the order in which it joined their queues. */
  queuedNamesOf(owner: Owner): string[] {
    return this.joinedNamesOf(owner).filter((name) => this.primary(name) !== owner);
  }

  /** Held and waited-for names together: what max_names_per_connection counts. */
  joinedNamesOf(owner: Owner): string[] {
    return [...(this.#joined.get(owner) ?? [])];
  }

  joinedCount(owner: Owner): number {
    return this.#joined.get(owner)?.size ?? 0;
  }

  /** How many names are owned. */
  get count(): number {
    return this.#queues.size;
  }

  /** Every owned name, in the order in which the names got their first owner. */
  list(): string[] {
    return [...this.#queues.keys()];
  }

  #noteMembership(name: string, queue: NameQueue<Owner>, owner: Owner): void {
    let names = this.#joined.get(owner);
    if (!queue.has(owner)) {
      names?.delete(name);
      if (names?.size === 0) this.#joined.delete(owner);
      return;
    }
    if (names === undefined) this.#joined.set(owner, (names = new Set()));
    names.add(name);
  }
}

function withChange<Reply, Owner>(
  reply: Reply,
  name: string,
  oldOwner: Owner | undefined,
  newOwner: Owner | undefined,
): { reply: Reply; change?: NameChange<Owner> } {
  return oldOwner === newOwner ? { reply } : { reply, change: { name, oldOwner, newOwner } };
}

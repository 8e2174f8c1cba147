/**
 * Flags of RequestName (D-Bus specification, "org.freedesktop.DBus.RequestName"). Other bits are
 * ignored.
 */
export const RequestNameFlag = {
  AllowReplacement: 0x1,
  ReplaceExisting: 0x2,
  DoNotQueue: 0x4,
} as const;

/** Results of RequestName: the values of the D-Bus Specification. */
export const RequestNameReply = {
  PrimaryOwner: 1,
  InQueue: 2,
  Exists: 3,
  AlreadyOwner: 4,
} as const;
export type RequestNameReply = (typeof RequestNameReply)[keyof typeof RequestNameReply];

/** Results of ReleaseName: the values of the D-Bus Specification. */
export const ReleaseNameReply = {
  Released: 1,
  NonExistent: 2,
  NotOwner: 3,
} as const;
export type ReleaseNameReply = (typeof ReleaseNameReply)[keyof typeof ReleaseNameReply];

interface Entry<Owner> {
  readonly owner: Owner;
  flags: number;
}

/**
 * The connections that hold or wait for one well-known name, primary owner first.
 *
 * The specification leaves two things open; both follow dbus-daemon 1.14: a ReplaceExisting request
 * that must wait takes the place right behind the primary owner, and a waiting connection that asks
 * again keeps its place unless it now asks with ReplaceExisting.
 */
export class NameQueue<Owner> {
  readonly #entries: Entry<Owner>[] = [];

  get primary(): Owner | undefined {
    return this.#entries[0]?.owner;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  owners(): Owner[] {
    return this.#entries.map((entry) => entry.owner);
  }

  has(owner: Owner): boolean {
    return this.#indexOf(owner) !== -1;
  }

  /**
   * Applies a RequestName; compare `primary` before and after to see whether the name changed
   * hands.
   */
  request(owner: Owner, flags: number): RequestNameReply {
    const primary = this.#entries[0];
    if (primary === undefined) {
      this.#entries.push({ owner, flags });
      return RequestNameReply.PrimaryOwner;
    }
    if (primary.owner === owner) {
      primary.flags = flags;
      return RequestNameReply.AlreadyOwner;
    }
    const mayReplace =
      (flags & RequestNameFlag.ReplaceExisting) !== 0 &&
      (primary.flags & RequestNameFlag.AllowReplacement) !== 0;
    if (mayReplace) {
      this.#replacePrimary(primary, owner, flags);
      return RequestNameReply.PrimaryOwner;
    }
    if ((flags & RequestNameFlag.DoNotQueue) !== 0) {
      this.remove(owner);
      return RequestNameReply.Exists;
    }
    this.#wait(owner, flags);
    return RequestNameReply.InQueue;
  }

  /** Takes an owner out of the queue, wherever it stands. Returns whether it was there. */
  remove(owner: Owner): boolean {
    const index = this.#indexOf(owner);
    if (index === -1) return false;
    this.#entries.splice(index, 1);
    return true;
  }

  #indexOf(owner: Owner): number {
    return this.#entries.findIndex((entry) => entry.owner === owner);
  }

  #replacePrimary(primary: Entry<Owner>, owner: Owner, flags: number): void {
    this.remove(owner);
    const staysInQueue = (primary.flags & RequestNameFlag.DoNotQueue) === 0;
    if (staysInQueue) this.#entries.unshift({ owner, flags });
    else this.#entries[0] = { owner, flags };
  }

  #wait(owner: Owner, flags: number): void {
    if ((flags & RequestNameFlag.ReplaceExisting) !== 0) {
      this.remove(owner);
      this.#entries.splice(1, 0, { owner, flags });
      return;
    }
    const entry = this.#entries.find((each) => each.owner === owner);
    if (entry === undefined) this.#entries.push({ owner, flags });
    else entry.flags = flags;
  }
}

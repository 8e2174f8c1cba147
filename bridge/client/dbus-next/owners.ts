import type { OwnHandle } from '#bridge/client/contexts.js';
import type { DriverClient } from '#bridge/client/driver-client.js';
import { HeldHandle } from '#bridge/client/held-handle.js';
import { PendingLookup } from '#bridge/client/pending-lookup.js';
import { Control, encode } from '#bridge/registry/control-message.js';
import { uniqueName } from '#bridge/registry/envelope.js';

/** A handle to the owner of a name, or to what starts one. */
export class Owner extends HeldHandle {
  /** undefined until it has been started; it answers under this name, whatever process it is */
  uniqueName: string | undefined;
}

/** Handles to the owners of names, asked for once and kept until the name is gone. */
export class Owners {
  private readonly driver: DriverClient;
  private readonly known = new Map<string, Owner>();

  constructor(driver: DriverClient) {
    this.driver = driver;
  }

  /** Undefined when the bridge has to be asked. */
  find(name: string): Owner | undefined {
    const owner = this.known.get(name);
    if (owner === undefined || owner.handle !== undefined) return owner;
    this.known.delete(name);
    return undefined;
  }

  /** The bus has announced another owner of the name; this process may learn of it before the old owner does. */
  forget(name: string): void {
    this.known.get(name)?.release();
    this.known.delete(name);
  }

  /** @throws DBusError `ServiceUnknown`, ClientError `Disconnected` */
  async resolve(name: string): Promise<Owner> {
    const { member, names } = this.driver;
    const owner = await new Promise<Owner>((resolve, reject) => {
      const pending = new PendingOwner(member, name);
      pending.settles(resolve, reject);
      const bytes = encode(Control.Resolve, { name });
      pending.begin(member.calls.sendControl(names, bytes, [], pending), undefined);
    });
    this.known.set(name, owner);
    return owner;
  }
}

class PendingOwner extends PendingLookup<Owner> {
  protected found(handle: OwnHandle, number: number): Owner {
    const owner = new Owner(this.member, handle, this.name);
    if (number >= 0) owner.uniqueName = uniqueName(number);
    return owner;
  }
}

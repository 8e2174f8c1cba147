import type { ArrivedMessage } from '#bridge/client/contexts.js';
import type { DriverClient } from '#bridge/client/driver-client.js';
import { DBusError, ErrorName } from '#bridge/client/errors.js';
import { HeldHandle } from '#bridge/client/held-handle.js';
import type { Member } from '#bridge/client/member.js';
import { Pending } from '#bridge/client/pending.js';
import { ControlCode, controlBytes, Resolution } from '#bridge/registry/control-message.js';
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
      const bytes = controlBytes(ControlCode.Resolve, name);
      pending.begin(member.calls.sendControl(names, bytes, [], pending), undefined);
    });
    this.known.set(name, owner);
    return owner;
  }
}

/** The reply holds a byte that says what was found, the number of the owner (-1: none yet), and a handle. */
class PendingOwner extends Pending<Owner> {
  private readonly name: string;

  constructor(member: Member, name: string) {
    super(member);
    this.name = name;
  }

  get what(): string {
    return `the lookup of the owner of '${this.name}'`;
  }

  protected read(message: ArrivedMessage): void {
    const bytes = message.copyBytes();
    const [resolution] = bytes;
    const handle = message.receivedCount > 0 ? message.received[0] : undefined;
    if (resolution === Resolution.Unowned || handle === undefined) {
      this.error = new DBusError(ErrorName.ServiceUnknown, `the name '${this.name}' has no owner`);
      return;
    }
    this.value = new Owner(this.member, handle, this.name);
    const number = new DataView(bytes.buffer, bytes.byteOffset).getInt32(1, true);
    if (number >= 0) this.value.uniqueName = uniqueName(number);
  }
}

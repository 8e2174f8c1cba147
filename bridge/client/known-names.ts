import type { OwnHandle } from './contexts.js';
import { Control, encode } from '#bridge/registry/control-message.js';
import { parseBusName } from '#bridge/wire/names.js';
import { Capability } from './capability.js';
import { SYNC_TIMEOUT_MS } from './calls.js';
import type { DriverClient } from './driver-client.js';
import { HeldHandle } from './held-handle.js';
import type { CallOptions } from './interface-description.js';
import type { Member } from './member.js';
import { PendingLookup } from './pending-lookup.js';

/** Handles to the owners of names, asked for once and kept until the name is gone. */
export class KnownNames {
  private readonly driver: DriverClient;
  private readonly known = new Map<string, HeldHandle>();
  private readonly asked = new Map<string, Promise<HeldHandle>>();

  constructor(driver: DriverClient) {
    this.driver = driver;
  }

  /** Undefined when the bus has to be asked. */
  // hot
  find(name: string): HeldHandle | undefined {
    const held = this.known.get(name);
    if (held === undefined || held.handle !== undefined) return held;
    this.known.delete(name);
    return undefined;
  }

  keep(name: string, held: HeldHandle): void {
    this.known.set(name, held);
  }

  /** The name has another owner: the old one may not know that yet, and must not be called any more. */
  forget(name: string): void {
    this.known.get(name)?.release();
    this.known.delete(name);
  }

  /** @throws DBusError `ServiceUnknown`, ClientError */
  async resolve(name: string, options: CallOptions): Promise<HeldHandle> {
    const found = this.find(name) ?? this.asked.get(name);
    if (found !== undefined) return found;
    const isShared = options.signal === undefined && options.timeoutMs === undefined;
    const asking = new Promise<HeldHandle>((resolve, reject) => {
      options.signal?.throwIfAborted();
      const pending = this.ask(name);
      pending.settles(resolve, reject);
      this.send(name, pending, options);
    });
    if (isShared) {
      this.asked.set(name, asking);
      const forget = (): void => void this.asked.delete(name);
      asking.then(forget, forget);
    }
    return asking;
  }

  /** @throws DBusError `ServiceUnknown`, ClientError */
  resolveSync(name: string, timeoutMs = SYNC_TIMEOUT_MS): HeldHandle {
    const found = this.find(name);
    if (found !== undefined) return found;
    const pending = this.ask(name);
    this.send(name, pending, {});
    this.driver.member.await(pending, timeoutMs, false);
    return pending.result();
  }

  /** One more handle to what `held` leads to, for a program to keep. */
  capability(held: HeldHandle): Capability {
    const { member } = this.driver;
    return Capability.of(
      new HeldHandle(member, member.peer.copyHandle(held.use()), held.destination),
    );
  }

  private ask(name: string): PendingName {
    if (parseBusName(name) === undefined) throw new TypeError(`'${name}' is not a valid bus name`);
    return new PendingName(this.driver.member, this, name);
  }

  private send(name: string, pending: PendingName, options: CallOptions): void {
    const bytes = encode(Control.Resolve, { name });
    const node = this.driver.member.calls.sendControl(this.driver.names, bytes, [], pending);
    pending.begin(node, options);
  }
}

class PendingName extends PendingLookup<HeldHandle> {
  private readonly names: KnownNames;

  constructor(member: Member, names: KnownNames, name: string) {
    super(member, name);
    this.names = names;
  }

  protected found(handle: OwnHandle): HeldHandle {
    const held = new HeldHandle(this.member, handle, this.name);
    this.names.keep(this.name, held);
    return held;
  }
}

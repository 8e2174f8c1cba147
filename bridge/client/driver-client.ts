import type { Handle } from '#core/index.js';
import { Control, encode } from '#bridge/registry/control-message.js';
import type { Denial } from '#bridge/registry/denial.js';
import { ClientError } from './errors.js';
import type { HeldHandle } from './held-handle.js';
import type { Member } from './member.js';
import type { Broadcast, Reply } from './method-call.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/wire/standard-names.js';

export { DRIVER_NAME, DRIVER_PATH };

/** `org.freedesktop.DBus` and the registry of names, as this connection reaches them. */
export class DriverClient {
  readonly member: Member;
  private readonly driver: HeldHandle;
  private readonly registry: HeldHandle;

  constructor(member: Member, driver: HeldHandle, registry: HeldHandle) {
    this.member = member;
    this.driver = driver;
    this.registry = registry;
    member.denied = (sender, denial) => this.report(sender, denial);
  }

  /** @throws ClientError `Disconnected` when the bridge is gone */
  get target(): HeldHandle {
    return this.reachable(this.driver);
  }

  /** @throws ClientError `Disconnected` when the bridge is gone */
  get names(): HeldHandle {
    return this.reachable(this.registry);
  }

  call<T>(
    member: string,
    signature: string,
    body: readonly unknown[],
    convert: (reply: Reply) => T,
    handles?: readonly Handle[],
  ): Promise<T> {
    try {
      const call = { path: DRIVER_PATH, interface: DRIVER_NAME, member, signature, body };
      return this.member.calls.callFor(this.target, call, convert, handles);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  callSync(
    member: string,
    signature: string,
    body: readonly unknown[],
    handles?: readonly Handle[],
  ): Reply {
    const call = { path: DRIVER_PATH, interface: DRIVER_NAME, member, signature, body };
    return this.member.calls.callSync(this.target, call, handles);
  }

  emit(signal: Broadcast): void {
    this.member.calls.broadcast(this.target, signal);
  }

  onGone(listener: () => void): void {
    this.driver.listen(listener, this);
  }

  /** Reports a denial, which `bus1-bridge denials` counts. Without room, or without a bus, it is dropped. */
  private report(sender: string | undefined, { fields }: Denial): void {
    const { handle } = this.driver;
    if (handle === undefined || sender === undefined || !this.member.isOpen) return;
    const { why, message, rule } = fields;
    const bytes = encode(Control.Denied, { sender, why, message, rule });
    try {
      this.member.calls.sendControl(this.driver, bytes, [], null);
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
    }
  }

  private reachable(held: HeldHandle): HeldHandle {
    this.member.mustBeOpen();
    if (held.handle !== undefined) return held;
    const why =
      'the process of the bridge has ended: names, matches and broadcasts are no longer available';
    throw new ClientError('Disconnected', `${why}; established conversations continue`);
  }
}

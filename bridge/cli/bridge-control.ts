import { once } from 'node:events';
import dbus from 'dbus-next';
import type { MigrationResult, MigrationStep, Party } from '#bridge/uplink/migration.js';
import type { UplinkStatus } from '#bridge/uplink/uplink-interface.js';
import { processText } from '#bridge/uplink/process-text.js';
import { unlessUnderstood } from './another-bus.js';
import { busAddress } from '#bridge/wire/bus-address.js';

const UPLINK = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.bus1.Uplink',
};

export interface MoveOptions {
  readonly back: boolean;
  readonly timeoutMs: number;
  readonly start: boolean;
  readonly release: boolean;
  /** the old owner is ended by us once it is told to be `queued` */
  readonly endsOld: boolean;
  readonly together: number;
}

/** A running bridge, through its interface org.bus1.Uplink. */
export class BridgeControl {
  readonly address: string;
  /** called on each step of a migration */
  onProgress: (name: string, step: MigrationStep, party: Party) => void = () => {};
  readonly #bus: dbus.MessageBus;
  readonly #lost: Promise<never>;

  private constructor(address: string, bus: dbus.MessageBus) {
    this.address = address;
    this.#bus = bus;
    this.#lost = new Promise((_resolve, reject) => {
      bus.on('error', (error: Error) => reject(new Error(`the bridge is gone: ${error.message}`)));
    });
    this.#lost.catch(() => {});
    bus.on('message', (message: dbus.Message) => {
      if (message.interface !== UPLINK.interface || message.member !== 'MigrationProgress') return;
      const [name, step, json] = message.body as [string, MigrationStep, string];
      this.onProgress(name, step, JSON.parse(json) as Party);
    });
  }

  /** Connects to the bridge at `given`, by default the session bus. @throws Error when it cannot be reached */
  static async connect(given: string | undefined): Promise<BridgeControl> {
    const { text: address } = busAddress(given ?? 'session', process.env);
    const bus = dbus.sessionBus({ busAddress: address });
    try {
      await once(bus, 'connect');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`cannot reach the bridge at ${address}: ${reason}`, { cause: error });
    }
    return new BridgeControl(address, bus);
  }

  /** The address of the bus that the bridge is attached to. */
  async existingBus(): Promise<string> {
    return ((await this.#call('Status', '', [])) as UplinkStatus).address;
  }

  /** @throws Error when the name was not moved */
  async move(name: string, options: MoveOptions): Promise<MigrationResult> {
    const { back, timeoutMs, start, release, endsOld, together } = options;
    const given = {
      back: new dbus.Variant('b', back),
      timeout_ms: new dbus.Variant('u', timeoutMs),
      start: new dbus.Variant('b', start),
      release: new dbus.Variant('b', release),
      ends_old: new dbus.Variant('b', endsOld),
      together: new dbus.Variant('u', together),
    };
    return (await this.#call('Move', 'sa{sv}', [name, given])) as MigrationResult;
  }

  /** Who owns a name on the bridge, for people. */
  async ownerText(name: string): Promise<string> {
    const ask = async (member: string): Promise<unknown> => {
      const call = {
        ...UPLINK,
        interface: UPLINK.destination,
        member,
        signature: 's',
        body: [name],
      };
      return (await this.#bus.call(new dbus.Message(call)))?.body[0];
    };
    try {
      const owner = String(await ask('GetNameOwner'));
      return `${owner} (${processText(Number(await ask('GetConnectionUnixProcessID')))})`;
    } catch {
      return 'nobody';
    }
  }

  close(): void {
    this.#bus.disconnect();
  }

  async #call(member: string, signature: string, body: unknown[]): Promise<unknown> {
    const call = new dbus.Message({ ...UPLINK, member, signature, body });
    const reply = await Promise.race([this.#bus.call(call), this.#lost]).catch((error: unknown) => {
      throw unlessUnderstood(
        error,
        `the bus at ${this.address} is not attached to another one (bus1-bridge attach): names cannot be moved`,
      );
    });
    return JSON.parse(String(reply?.body[0]));
  }
}

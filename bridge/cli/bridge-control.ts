import { once } from 'node:events';
import dbus from 'dbus-next';
import type { MigrationResult, MigrationStep, Party } from '#bridge/uplink/migration.js';
import type { UplinkStatus } from '#bridge/uplink/uplink-interface.js';
import { busAddress } from '#bridge/wire/bus-address.js';

const UPLINK = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.bus1.Uplink',
};

/** A running bridge, through its interface org.bus1.Uplink. */
export class BridgeControl {
  readonly address: string;
  /** is told how a migration gets on */
  onProgress: (step: MigrationStep, party: Party) => void = () => {};
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
      const [, step, json] = message.body as [string, MigrationStep, string];
      this.onProgress(step, JSON.parse(json) as Party);
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
  async migrate(name: string, isBack: boolean, timeoutMs: number): Promise<MigrationResult> {
    return (await this.#call('Migrate', 'sbu', [name, isBack, timeoutMs])) as MigrationResult;
  }

  close(): void {
    this.#bus.disconnect();
  }

  async #call(member: string, signature: string, body: unknown[]): Promise<unknown> {
    const call = new dbus.Message({ ...UPLINK, member, signature, body });
    const reply = await Promise.race([this.#bus.call(call), this.#lost]);
    return JSON.parse(String(reply?.body[0]));
  }
}

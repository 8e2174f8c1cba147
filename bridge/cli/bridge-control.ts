import type { BusConnection } from '#bridge/socket/connection.js';
import type { MigrationResult, Party } from '#bridge/uplink/migration.js';
import { isMigrationStep, type MigrationStep } from '#bridge/uplink/migration-step.js';
import { processText } from '#bridge/uplink/process-text.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import { fieldsOf, numberOrNone } from '#bridge/wire/fields.js';
import { isBody } from '#bridge/wire/typed-body.js';
import { Variant } from '#bridge/wire/types.js';
import { reach, unlessUnderstood } from './ask-bus.js';

const UPLINK = 'org.bus1.Uplink';

export interface MoveOptions {
  readonly back: boolean;
  readonly timeoutMs: number;
  readonly start: boolean;
  readonly release: boolean;
  /** this program ends the old owner at the step `queued` */
  readonly endsOld: boolean;
  readonly together: number;
}

/** A running bridge, through its interface org.bus1.Uplink. */
export class BridgeControl {
  readonly address: string;
  /** called on each step of a migration */
  onProgress: (name: string, step: MigrationStep, party: Party) => void = () => {};
  readonly #bus: BusConnection;

  private constructor(address: string, bus: BusConnection) {
    this.address = address;
    this.#bus = bus;
    bus.onMessage = ({ interface: name, member, body }) => {
      if (name !== UPLINK || member !== 'MigrationProgress' || !isBody(body, 'sss')) return;
      const [moved, step, json] = body;
      if (isMigrationStep(step)) this.onProgress(moved, step, partyIn(JSON.parse(json)));
    };
  }

  /** Connects to the bridge at `given`, by default the session bus. @throws Error when it cannot be reached */
  static async connect(given: string | undefined): Promise<BridgeControl> {
    const { text: address } = busAddress(given ?? 'session', process.env);
    return new BridgeControl(address, await reach('bridge', address));
  }

  /** The address of the bus that the bridge is attached to. */
  async existingBus(): Promise<string> {
    const { address } = fieldsOf(await this.#call('Status', '', []));
    return String(address);
  }

  /** @throws Error when the name was not moved */
  async move(name: string, options: MoveOptions): Promise<MigrationResult> {
    const { back, timeoutMs, start, release, endsOld, together } = options;
    const given = new Map<string, Variant>([
      ['back', new Variant('b', back)],
      ['timeout_ms', new Variant('u', timeoutMs)],
      ['start', new Variant('b', start)],
      ['release', new Variant('b', release)],
      ['ends_old', new Variant('b', endsOld)],
      ['together', new Variant('u', together)],
    ]);
    const { from, to, held } = fieldsOf(await this.#call('Move', 'sa{sv}', [name, given]));
    return { name, from: partyIn(from), to: partyIn(to), held: Number(held) };
  }

  /** Describes the owner of a name on the bridge to the user. */
  async ownerText(name: string): Promise<string> {
    const ask = async (member: string): Promise<unknown> =>
      (await this.#bus.call({ member, signature: 's', body: [name] }))[0];
    try {
      const owner = String(await ask('GetNameOwner'));
      return `${owner} (${processText(Number(await ask('GetConnectionUnixProcessID')))})`;
    } catch {
      return 'nobody';
    }
  }

  close(): void {
    this.#bus.close();
  }

  async #call(member: string, signature: string, body: unknown[]): Promise<unknown> {
    /* the bridge enforces the time limit of a migration itself */
    const timeoutMs = 2 ** 31 - 1;
    try {
      const reply = await this.#bus.call({ interface: UPLINK, member, signature, body }, timeoutMs);
      return JSON.parse(String(reply[0]));
    } catch (error) {
      throw unlessUnderstood(
        error,
        `the bus at ${this.address} is not attached to another one (bus1-bridge attach): names cannot be moved`,
      );
    }
  }
}

/** Decodes a party, which the bridge describes in JSON. */
function partyIn(value: unknown): Party {
  const { owner, pid } = fieldsOf(value);
  return { owner: String(owner), pid: numberOrNone(pid) };
}

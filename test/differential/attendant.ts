import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { DRIVER } from './operation.js';
import { RawClient, type ReceivedMessage, type Way } from './raw-client.js';

/** Signals that tell monitors, who cannot ask, that they have seen everything. */
export const MARKER_INTERFACE = 'org.bus1.Test.Marker';
export const MARKER_RULE = `type='signal',interface='${MARKER_INTERFACE}'`;

const DEPARTURES = `type='signal',sender='${DRIVER}',member='NameOwnerChanged'`;

/** A connection that stays while conversations come and go: it sees who has left, and gives signs to monitors. */
export class Attendant {
  readonly #client: RawClient;
  readonly #departed = new Set<string>();
  #serial = 1;

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async open(path: string, way?: Way): Promise<Attendant> {
    const attendant = new Attendant(await RawClient.open(path, way));
    attendant.#call('Hello');
    attendant.#call('AddMatch', DEPARTURES);
    await attendant.#client.roundTrip();
    return attendant;
  }

  /** Waits until the bus says that a unique name is gone. */
  async departed(name: string): Promise<void> {
    for (const message of this.#client.take()) this.#note(message);
    if (!this.#departed.has(name)) {
      await this.#client.until((message) => departure(message) === name);
      if (this.#client.isMute || this.#client.isClosed) {
        throw new Error(`the bus never said that ${name} has left`);
      }
    }
    this.#departed.delete(name);
  }

  /** Broadcasts a sign, and returns its number. */
  giveSign(): number {
    const serial = this.#serial++;
    this.#client.send(
      encodeMessage({
        type: MessageType.Signal,
        serial,
        path: '/',
        interface: MARKER_INTERFACE,
        member: 'Sign',
      }),
    );
    return serial;
  }

  #note(message: ReceivedMessage): void {
    const name = departure(message);
    if (name !== undefined) this.#departed.add(name);
  }

  #call(member: string, argument?: string): void {
    const bytes = encodeMessage(
      {
        type: MessageType.MethodCall,
        serial: this.#serial++,
        path: '/org/freedesktop/DBus',
        interface: DRIVER,
        member,
        destination: DRIVER,
        signature: argument === undefined ? undefined : 's',
      },
      argument === undefined ? [] : [argument],
    );
    this.#client.send(bytes);
  }
}

function departure({ member, body }: ReceivedMessage): string | undefined {
  const [name, , newOwner] = body;
  const isDeparture = member === 'NameOwnerChanged' && newOwner === '';
  return isDeparture && typeof name === 'string' ? name : undefined;
}

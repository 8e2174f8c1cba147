import { once } from 'node:events';
import { type Socket, createConnection } from 'node:net';
import { randomBytes } from 'node:crypto';
import { frameLength } from '#bridge/wire/header.js';
import type { DecodedMessage, MessageFields } from '#bridge/wire/message.js';
import { decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { SaslClient } from '#bridge/sasl/client.js';
import { startReferenceBus } from '../activation/reference-bus.js';

const DRIVER = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };

/** A connection to a bus, with no more than what a test of matches needs. */
export class ReferenceClient {
  uniqueName = '';
  /** Everything received that answers no call. */
  readonly received: DecodedMessage[] = [];

  readonly #socket: Socket;
  readonly #waiting = new Map<number, (reply: DecodedMessage) => void>();
  #serial = 0;
  #pending = new Uint8Array(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async connect(socketPath: string): Promise<ReferenceClient> {
    const socket = createConnection(socketPath);
    await once(socket, 'connect');
    const client = new ReferenceClient(socket);
    await client.#authenticate();
    socket.on('data', (data: Buffer) => client.#take(data));
    client.uniqueName = String((await client.call('Hello')).body[0]);
    return client;
  }

  /** Calls a method of the driver; the reply may be an error. */
  call(
    member: string,
    signature = '',
    body: unknown[] = [],
    iface = DRIVER.destination,
  ): Promise<DecodedMessage> {
    const type = MessageType.MethodCall;
    const serial = this.send({ ...DRIVER, type, interface: iface, member, signature }, body);
    return new Promise((resolve) => this.#waiting.set(serial, resolve));
  }

  send(fields: Omit<MessageFields, 'serial'>, body: unknown[], littleEndian = true): number {
    const serial = ++this.#serial;
    this.#socket.write(encodeMessage({ ...fields, serial }, body, littleEndian));
    return serial;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #authenticate(): Promise<void> {
    const uid = process.getuid?.();
    const sasl = new SaslClient({ uid, wantsUnixFds: false, randomBytes });
    this.#socket.write(sasl.takeOutput());
    while (!sasl.isDone) {
      const [data]: Buffer[] = await once(this.#socket, 'data');
      sasl.feed(data, 0, data.length);
      if (sasl.failure !== undefined) throw new Error(sasl.failure.message);
      this.#socket.write(sasl.takeOutput());
    }
  }

  #take(data: Uint8Array): void {
    this.#pending = Buffer.concat([this.#pending, data]);
    for (;;) {
      const { buffer, byteOffset, byteLength } = this.#pending;
      const view = new DataView(buffer, byteOffset, byteLength);
      const length = frameLength(this.#pending, view, 0, byteLength);
      if (length <= 0 || length > byteLength) return;
      const message = decodeMessage(this.#pending.slice(0, length));
      this.#pending = this.#pending.slice(length);
      const resolve = this.#waiting.get(message.replySerial ?? 0);
      if (resolve === undefined) this.received.push(message);
      else resolve(message);
    }
  }
}

/** A dbus-daemon that is asked what it makes of match rules. */
export class ReferenceBus {
  readonly #bus: Awaited<ReturnType<typeof startReferenceBus>>;
  readonly #client: ReferenceClient;

  private constructor(bus: Awaited<ReturnType<typeof startReferenceBus>>, client: ReferenceClient) {
    this.#bus = bus;
    this.#client = client;
  }

  static async start(): Promise<ReferenceBus> {
    const bus = await startReferenceBus();
    return new ReferenceBus(bus, await ReferenceClient.connect(socketPathOf(bus.address)));
  }

  connect(): Promise<ReferenceClient> {
    return ReferenceClient.connect(socketPathOf(this.#bus.address));
  }

  /** The rule as the daemon prints it, or the name of the error. */
  async outcomeOf(rule: string): Promise<string> {
    const added = await this.#client.call('AddMatch', 's', [rule]);
    if (added.errorName !== undefined) return added.errorName;
    const stats = 'org.freedesktop.DBus.Debug.Stats';
    const { body } = await this.#client.call('GetAllMatchRules', '', [], stats);
    await this.#client.call('RemoveMatch', 's', [rule]);
    const [rules] = body;
    if (!(rules instanceof Map)) throw new TypeError('GetAllMatchRules returned no dictionary');
    return String(rules.get(this.#client.uniqueName));
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.#bus.stop();
  }
}

function socketPathOf(address: string): string {
  const path = /^unix:(?:path|abstract)=([^,;]+)/u.exec(address)?.[1] ?? '';
  return address.startsWith('unix:abstract=') ? `\0${path}` : path;
}

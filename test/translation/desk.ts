// The service that kept.yaml is about. What it says, and which of it in one go, is up to the test.
import type { Writable } from 'node:stream';
import dbus from 'dbus-next';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { connect } from '../support/names.js';

export const NAME = 'org.example.Desk';
export const PATH = '/org/example/Desk';
export const REQUEST = 'org.example.Request';

export const requestPath = (id: string): string => `${PATH}/requests/${id}`;

/** Where dbus-next writes: it has no door for several messages at once. */
interface Inside {
  readonly _connection: { readonly stream: Writable };
}

export class Desk {
  readonly bus: dbus.MessageBus;
  /** members and paths of the calls that came in */
  readonly calls: string[] = [];
  readonly #asked: dbus.Message[] = [];
  #wake = (): void => {};
  /* far from the serials of the connection's own messages */
  #serial = 0x10000;

  private constructor(bus: dbus.MessageBus) {
    this.bus = bus;
    bus.addMethodHandler((call: dbus.Message) => this.#called(call));
  }

  static async start(address: string): Promise<Desk> {
    const bus = await connect(address);
    const desk = new Desk(bus);
    await bus.requestName(NAME, 0);
    return desk;
  }

  /** The next call of Ask, which waits for its answer. */
  async asked(): Promise<dbus.Message> {
    for (;;) {
      const call = this.#asked.shift();
      if (call !== undefined) return call;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Says all of this in one write. */
  say(...messages: readonly Uint8Array[]): void {
    const { _connection: connection } = this.bus as unknown as Inside;
    connection.stream.write(Buffer.concat(messages));
  }

  /** The answer to a call of Ask. */
  answer({ serial, sender }: dbus.Message, id: string): Uint8Array {
    return encodeMessage(
      {
        type: MessageType.MethodReturn,
        serial: this.#nextSerial(),
        replySerial: Number(serial),
        destination: sender,
        signature: 'o',
      },
      [requestPath(id)],
    );
  }

  /** @param to the unique name of the only one that hears it; absent: everybody */
  signal(id: string, member: string, text: string, to?: string): Uint8Array {
    return encodeMessage(
      {
        type: MessageType.Signal,
        serial: this.#nextSerial(),
        path: requestPath(id),
        interface: REQUEST,
        member,
        signature: 's',
        ...(to !== undefined && { destination: to }),
      },
      [text],
    );
  }

  stop(): void {
    this.bus.disconnect();
  }

  #nextSerial(): number {
    this.#serial++;
    return this.#serial;
  }

  #called(call: dbus.Message): boolean {
    this.calls.push(`${call.member} ${call.path}`);
    if (call.member === 'Ask') {
      this.#asked.push(call);
      this.#wake();
    } else {
      this.bus.send(dbus.Message.newMethodReturn(call, '', []));
    }
    return true;
  }
}

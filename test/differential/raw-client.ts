import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { SaslClient } from '#bridge/sasl/client.js';
import { frameLength, MessageHeader } from '#bridge/wire/header.js';
import { decodeMessage, encodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { DRIVER } from './operation.js';

/** Serials of the calls by which a client finds out that the bus has dealt with all it sent before. */
const FIRST_SYNC_SERIAL = 0x40000000;
const LAST_SYNC_SERIAL = 0x7fffffff;

/** A bus that does not answer at all is given up on. */
const PATIENCE_MS = 10_000;

export interface ReceivedMessage extends DecodedMessage {
  readonly hasUnknownFields: boolean;
}

/** Whether a serial, or the serial that a reply names, belongs to a round trip. */
export function isSyncSerial(serial: number | undefined): boolean {
  return serial !== undefined && serial >= FIRST_SYNC_SERIAL && serial <= LAST_SYNC_SERIAL;
}

/** How a socket is connected to a path. */
export type Way = (path: string) => Socket | Promise<Socket>;

const directly: Way = (path) => connect({ path, allowHalfOpen: false });

/** A connection that hides nothing: every message as it came, in order. */
export class RawClient {
  /** As the bus has told it. */
  uniqueName = '';
  isMonitor = false;
  isClosed = false;
  /** Gave no answer in time: nothing more can be compared. */
  isMute = false;

  readonly #socket: Socket;
  readonly #header = new MessageHeader();
  #rest: Buffer = Buffer.alloc(0);
  #received: ReceivedMessage[] = [];
  #syncSerial = FIRST_SYNC_SERIAL;
  #waiting: { isDone: (message: ReceivedMessage) => boolean; resolve: () => void } | undefined;

  private constructor(socket: Socket, rest: Buffer) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#feed(chunk));
    socket.on('close', () => {
      this.isClosed = true;
      this.#stopWaiting();
    });
    this.#feed(rest);
  }

  /** Connects and authenticates; nothing else, not even Hello. */
  static async open(path: string, way: Way = directly): Promise<RawClient> {
    const socket = await way(path);
    /* what goes wrong shows as an early end of the connection */
    socket.on('error', () => undefined);
    const sasl = new SaslClient({
      uid: process.getuid!(),
      wantsUnixFds: false,
      randomBytes: (count) => new Uint8Array(count),
    });
    socket.write(sasl.takeOutput());
    while (!sasl.isDone) {
      const [chunk]: [Buffer] = await (once(socket, 'data') as Promise<[Buffer]>);
      const used = sasl.feed(chunk, 0, chunk.length);
      socket.write(sasl.takeOutput());
      if (sasl.isDone) return new RawClient(socket, chunk.subarray(used));
      if (sasl.failure !== undefined) throw sasl.failure;
    }
    return new RawClient(socket, Buffer.alloc(0));
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** What has come since the last time, in order. */
  take(): ReceivedMessage[] {
    const received = this.#received;
    this.#received = [];
    return received;
  }

  /** Sends `bytes` and a call behind them, and waits for the answer to the call, or for the end. */
  async roundTrip(bytes?: Uint8Array): Promise<void> {
    if (this.isClosed) return;
    const serial = this.#syncSerial++;
    const call = getId(serial);
    this.send(bytes === undefined ? call : Buffer.concat([bytes, call]));
    await this.until((message) => message.replySerial === serial);
  }

  /** Waits for a message, or for the end. */
  async until(isDone: (message: ReceivedMessage) => boolean): Promise<void> {
    if (this.isClosed || this.isMute) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.isMute = true;
        this.#stopWaiting();
      }, PATIENCE_MS);
      this.#waiting = {
        isDone,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
    });
  }

  async untilClosed(): Promise<void> {
    await this.until(() => false);
  }

  /** Sends `bytes` as the last thing ever, and waits until the bus has noticed that no more comes. */
  async leaveAfter(bytes: Uint8Array): Promise<void> {
    this.#socket.end(bytes);
    await this.untilClosed();
  }

  /** Closes the socket. */
  async leave(): Promise<void> {
    this.#socket.destroy();
    await this.untilClosed();
  }

  #stopWaiting(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  #feed(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const length = frameLength(bytes, view, 0, bytes.length);
      if (length < 0) throw new Error('the bus sent something that is not a message');
      if (length === 0 || length > bytes.length) break;
      this.#take(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
    }
    this.#rest = bytes;
  }

  #take(bytes: Buffer): void {
    const copy = new Uint8Array(bytes);
    const decoded = decodeMessage(copy);
    this.#header.scan(copy, new DataView(copy.buffer), 0, copy.length);
    const message = { ...decoded, hasUnknownFields: this.#header.hasUnknownFields };
    this.#received.push(message);
    this.#noteName(message);
    if (this.#waiting?.isDone(message) === true) this.#stopWaiting();
  }

  /** The bus tells a client its unique name by NameAcquired, even if it asked for no reply to Hello. */
  #noteName({ type, sender, member, body }: ReceivedMessage): void {
    if (this.uniqueName !== '' || type !== MessageType.Signal || sender !== DRIVER) return;
    const [name] = body;
    if (member === 'NameAcquired' && typeof name === 'string' && name.startsWith(':')) {
      this.uniqueName = name;
    }
  }
}

function getId(serial: number): Uint8Array {
  return encodeMessage({
    type: MessageType.MethodCall,
    serial,
    path: '/org/freedesktop/DBus',
    interface: DRIVER,
    member: 'GetId',
    destination: DRIVER,
  });
}

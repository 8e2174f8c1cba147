import { closeFd, closeReceived, watchReadable, type LoopWatch } from '#core/linux/index.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import {
  decodeMessage,
  encodeMessage,
  type DecodedMessage,
  type MessageFields,
} from '#bridge/wire/message.js';
import { ErrorName } from '#bridge/wire/standard-errors.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/wire/standard-names.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { Serials } from '#bridge/wire/serials.js';
import { SocketClient, type SocketEvents } from './client.js';
import { connectToBus } from './connect.js';

/** The default reply timeout of libdbus; a service may have to start first. */
const REPLY_TIMEOUT_MS = 25_000;

/** An error reply. */
export class BusError extends Error {
  constructor({ errorName = ErrorName.Failed, body }: DecodedMessage) {
    super(typeof body[0] === 'string' ? body[0] : '');
    this.name = errorName;
  }
}

/** What to call; without a destination, path or interface, the bus itself. */
export type CallFields = Pick<MessageFields, 'destination' | 'path' | 'interface' | 'signature'> & {
  readonly member: string;
  readonly body?: readonly unknown[];
  /** descriptors that the body refers to by index; the caller still has to close them */
  readonly fds?: readonly number[];
};

interface Waiting {
  readonly resolve: (message: DecodedMessage) => void;
  readonly reject: (error: Error) => void;
}

/** A connection to a bus in Node's loop, for commands: it makes calls and receives signals, but offers no methods. */
export class BusConnection implements SocketEvents {
  uniqueName = '';
  /** called for every message that is not the reply to a pending call */
  onMessage: (message: DecodedMessage) => void = () => {};
  /** rejects when the bus ends, or closes the connection */
  readonly lost: Promise<never>;
  private readonly client: SocketClient;
  private readonly watch: LoopWatch;
  private readonly waiting = new Map<number, Waiting>();
  private readonly serials = new Serials();
  private isMonitor = false;
  private fail!: (error: Error) => void;
  private announce!: () => void;
  private readonly admitted: Promise<void>;

  private constructor(socket: Parameters<typeof closeFd>[0], guid: string | undefined) {
    this.lost = new Promise((_resolve, reject) => (this.fail = reject));
    this.lost.catch(() => {});
    this.admitted = new Promise((resolve) => (this.announce = resolve));
    this.client = new SocketClient({ fd: socket, guid }, this);
    this.watch = watchReadable(this.client.fd, () => void this.client.dispatch());
  }

  /**
   * Connects to the first address of a list that answers, and says Hello, each within `timeoutMs`.
   *
   * @throws Error, BusError
   */
  static async open(address: string, timeoutMs = REPLY_TIMEOUT_MS): Promise<BusConnection> {
    const socket = connectToBus(address);
    if (typeof socket === 'string') throw new Error(socket);
    const connection = new BusConnection(socket.fd, socket.guid);
    const overdue = new Error(`the bus did not answer within ${timeoutMs / 1000} s`);
    const timer = setTimeout(() => connection.fail(overdue), timeoutMs);
    try {
      await Promise.race([connection.admitted, connection.lost]);
      connection.uniqueName = String((await connection.call({ member: 'Hello' }, timeoutMs))[0]);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether descriptors can be sent. */
  get hasUnixFds(): boolean {
    return this.client.hasUnixFds;
  }

  /** The values of the reply. @throws BusError, Error when none comes */
  async call(
    { body = [], fds = [], ...fields }: CallFields,
    timeoutMs = REPLY_TIMEOUT_MS,
  ): Promise<readonly unknown[]> {
    const serial = this.serials.next();
    const to = { destination: DRIVER_NAME, path: DRIVER_PATH, interface: DRIVER_NAME, ...fields };
    const answer = new Promise<DecodedMessage>((resolve, reject) =>
      this.waiting.set(serial, { resolve, reject }),
    );
    const unixFds = fds.length > 0 ? fds.length : undefined;
    const call = { type: MessageType.MethodCall, serial, ...to, unixFds };
    this.send(encodeMessage(call, body), fds);
    const overdue = new Error(
      `${to.destination} ${to.path}: no reply within ${timeoutMs / 1000} s`,
    );
    const timer = setTimeout(() => this.waiting.get(serial)?.reject(overdue), timeoutMs);
    try {
      return (await Promise.race([answer, this.lost])).body;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(serial);
    }
  }

  /** From now on `onMessage` gets all messages of the bus, and calls are no longer possible. @throws BusError */
  async becomeMonitor(): Promise<void> {
    const asked = this.call({
      interface: `${DRIVER_NAME}.Monitoring`,
      member: 'BecomeMonitor',
      signature: 'asu',
      body: [[], 0],
    });
    /* The calls that arrive are addressed to others, and the bus disconnects a monitor that answers. */
    this.isMonitor = true;
    await asked;
  }

  /** Pending calls are rejected. */
  close(): void {
    this.watch.close();
    this.client.close();
    this.fail(new Error('the connection was closed here'));
  }

  ready(): void {
    this.announce();
  }

  message({ bytes, start, end }: MessageHeader, fds: readonly number[]): boolean {
    for (const fd of fds) closeReceived(fd);
    const message = decodeMessage(bytes.slice(start, end));
    const waiting = this.waiting.get(message.replySerial ?? 0);
    if (waiting === undefined || !this.isForUs(message)) this.unasked(message);
    else if (message.type === MessageType.Error) waiting.reject(new BusError(message));
    else waiting.resolve(message);
    return true;
  }

  closed(reason: string): void {
    this.watch.close();
    const isRefused = this.uniqueName === '';
    this.fail(new Error(isRefused ? `${reason} before it admitted this user` : reason));
  }

  /** A monitor also sees replies to others. */
  private isForUs({ destination }: DecodedMessage): boolean {
    return this.uniqueName === '' || destination === this.uniqueName;
  }

  private unasked(message: DecodedMessage): void {
    this.onMessage(message);
    const { type, flags, sender, serial, member } = message;
    if (type !== MessageType.MethodCall || this.isMonitor) return;
    if ((flags & MessageFlag.NoReplyExpected) !== 0) return;
    const error = {
      type: MessageType.Error,
      flags: MessageFlag.NoReplyExpected,
      serial: this.serials.next(),
      replySerial: serial,
      destination: sender,
      errorName: ErrorName.UnknownMethod,
      signature: 's',
    };
    this.send(encodeMessage(error, [`This program has no method ${member}`]));
  }

  private send(bytes: Uint8Array, fds?: readonly number[]): void {
    if (!this.client.live) return;
    this.client.reserve(bytes.length, fds).set(bytes);
    this.client.flush();
  }
}

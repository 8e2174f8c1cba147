import { randomBytes } from 'node:crypto';
import {
  closeFd,
  connectUnix,
  Errno,
  errnoName,
  getuid,
  NativeMemory,
  recvBytes,
  sendBytes,
  setNonBlocking,
  waitReadable,
} from '#core/linux/index.js';
import { SaslClient } from '#bridge/sasl/client.js';
import { wireFaultText } from '#bridge/wire/faults.js';
import { frameLength } from '#bridge/wire/header.js';
import { decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import type { DecodedMessage, MessageFields } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { Serials } from '#bridge/wire/serials.js';

// Room for two messages of the largest row, 1 MiB, and for many small ones. Mapped memory costs
// nothing until used.
const INPUT_BYTES = 4 << 20;
const OUTPUT_BYTES = 1 << 20;
/** Less room than this at the end of the input: move what is left to the front. */
const RECEIVE_MIN_BYTES = 64 << 10;

const LINE_FEED = 0x0a;

/** The connection was ended by the other side. */
export class ConnectionClosed extends Error {}

/**
 * A connection for measuring: blocking, its bytes in native memory, nothing allocated for a
 * message. Messages are looked at in place: `frame` is where the current one begins in `bytes`.
 */
export class BlockingConnection {
  fd = -1;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly inputAddress: number;
  readonly output = NativeMemory.map(OUTPUT_BYTES);
  readonly #inputBytes: number;
  /** the unique name; '' without a bus */
  uniqueName = '';
  frame = 0;
  /** End of the current message and beginning of the next. */
  next = 0;
  #end = 0;
  readonly serials = new Serials();

  constructor(fd: number, inputBytes = INPUT_BYTES) {
    const input = NativeMemory.map(inputBytes);
    this.#inputBytes = inputBytes;
    if (fd >= 0) setNonBlocking(fd, false);
    this.fd = fd;
    this.bytes = input.bytes;
    this.view = input.view;
    this.inputAddress = input.address;
  }

  /** Connects to a bus at a socket path, authenticates and calls Hello. */
  static openBus(path: string, inputBytes = INPUT_BYTES): BlockingConnection {
    const connection = new BlockingConnection(connectUnix(path), inputBytes);
    connection.#authenticate();
    connection.uniqueName = String(connection.callBus('Hello').body[0]);
    return connection;
  }

  /** A connection that gets its sockets later. */
  static unconnected(): BlockingConnection {
    return new BlockingConnection(-1);
  }

  /** Continues with a new, blocking socket; all state of the last one is reset. */
  attach(fd: number): void {
    this.fd = fd;
    this.frame = 0;
    this.next = 0;
    this.#end = 0;
  }

  /** Blocks until a line of the authentication has come, and skips it. */
  skipLine(): void {
    do this.fill();
    while (this.bytes[this.#end - 1] !== LINE_FEED);
    this.next = this.#end;
  }

  static openRaw(path: string): BlockingConnection {
    return new BlockingConnection(connectUnix(path));
  }

  close(): void {
    closeFd(this.fd);
  }

  /** Sends all of it; blocks while the other side does not read. */
  sendAll(address: number, lengthBytes: number): void {
    let sent = 0;
    while (sent < lengthBytes) {
      const count = sendBytes(this.fd, address + sent, lengthBytes - sent);
      if (count < 0) throw new ConnectionClosed(`cannot send: ${errnoName(-count)}`);
      sent += count;
    }
  }

  /** Blocks until more bytes have arrived. */
  fill(): void {
    if (this.next === this.#end) {
      this.next = 0;
      this.#end = 0;
    } else if (this.#inputBytes - this.#end < RECEIVE_MIN_BYTES) {
      this.bytes.copyWithin(0, this.next, this.#end);
      this.#end -= this.next;
      this.next = 0;
    }
    const count = recvBytes(this.fd, this.inputAddress + this.#end, this.#inputBytes - this.#end);
    if (count <= 0) throw new ConnectionClosed(endText(count));
    this.#end += count;
  }

  /** Throws away what has arrived, without waiting for more. */
  skipWhatIsThere(): void {
    while (waitReadable(this.fd, 0)) {
      this.next = this.#end;
      this.fill();
    }
    this.next = this.#end;
  }

  /** Moves on to the next message; false when it is not there in full. */
  nextFrame(): boolean {
    const length = frameLength(this.bytes, this.view, this.next, this.#end);
    if (length < 0)
      throw new Error(`what the bus sent is not a message: ${wireFaultText(-length)}`);
    if (length === 0 || this.next + length > this.#end) return false;
    this.frame = this.next;
    this.next += length;
    return true;
  }

  /** Blocks until the next method return. Signals are skipped; an error reply is thrown. */
  awaitReturn(): void {
    for (;;) {
      if (!this.nextFrame()) this.fill();
      else if (this.isReturn()) return;
    }
  }

  /** Whether the current message is a method return. Throws if it is an error reply. */
  isReturn(): boolean {
    const type = this.bytes[this.frame + 1];
    if (type === MessageType.Error) throw new Error(this.#errorText());
    return type === MessageType.MethodReturn;
  }

  /** A call that is not measured: encodes, waits, decodes. Nothing else may be outstanding. */
  call(fields: Omit<MessageFields, 'type' | 'serial'>, body: unknown[] = []): DecodedMessage {
    const serial = this.serials.next();
    this.#send(encodeMessage({ ...fields, type: MessageType.MethodCall, serial }, body));
    this.awaitReturn();
    return decodeMessage(this.bytes.slice(this.frame, this.next));
  }

  /** Calls a method of the bus itself. */
  callBus(member: string, signature?: string, body: unknown[] = []): DecodedMessage {
    const name = 'org.freedesktop.DBus';
    const path = '/org/freedesktop/DBus';
    return this.call({ path, interface: name, member, destination: name, signature }, body);
  }

  /** EXTERNAL with our user ID, no descriptors. */
  #authenticate(): void {
    const client = new SaslClient({ uid: getuid(), wantsUnixFds: false, randomBytes });
    this.#send(client.takeOutput());
    while (!client.isDone) {
      this.fill();
      this.next += client.feed(this.bytes, this.next, this.#end);
      if (client.failure !== undefined) {
        throw new Error(`the bus refused to authenticate us: ${client.failure.message}`);
      }
      this.#send(client.takeOutput());
    }
  }

  #send(bytes: Uint8Array): void {
    this.output.bytes.set(bytes);
    this.sendAll(this.output.address, bytes.length);
  }

  #errorText(): string {
    const { errorName, body } = decodeMessage(this.bytes.slice(this.frame, this.next));
    const [text] = body;
    return typeof text === 'string' ? `${errorName}: ${text}` : String(errorName);
  }
}

function endText(count: number): string {
  if (count === 0 || count === -Errno.ECONNRESET) return 'the connection was closed';
  return `cannot receive: ${errnoName(-count)}`;
}

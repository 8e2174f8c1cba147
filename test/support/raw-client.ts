import { readlinkSync } from 'node:fs';
import {
  allocateBytes,
  closeFd,
  connectUnix,
  Errno,
  errnoName,
  getuid,
  MessageReceiver,
  MessageSender,
  waitReadable,
  waitWritable,
} from '#core/linux/index.js';
import { frameLength } from '#bridge/wire/header.js';
import { type DecodedMessage, decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import type { MessageFields } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';

/** Longer than anything here takes: a bus that does not answer fails the test that waits. */
const PATIENCE_MS = 30_000;
const INPUT_BYTES = 64 * 1024;
/** More than a socket takes at once. */
const SEND_BYTES = 256 * 1024;

const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};

/** The bus has closed the connection. */
export class Disconnected extends Error {}

/** An error reply. */
export class ErrorReply extends Error {
  readonly errorName: string;

  constructor({ errorName, body }: DecodedMessage) {
    super(String(body[0]));
    this.errorName = errorName ?? '';
  }
}

export type CallFields = Omit<MessageFields, 'type' | 'serial'> & { readonly member: string };

const sender = new MessageSender();
const receiver = new MessageReceiver();

/**
 * A client that does what it is told, and no more: every byte that it sends and every read is up to
 * the test. Calls block, so that the order of things is that of the test's lines.
 */
export class RawClient {
  readonly fd: number;
  uniqueName = '';
  /** descriptors that have arrived, in order; they are closed with the client */
  readonly descriptors: number[] = [];
  #serial = 0;
  /** Of the messages that `fillUp` is sending. */
  #filled = 0;
  #input = allocateBytes(INPUT_BYTES);
  #start = 0;
  #end = 0;
  #isOpen = true;
  readonly #kept: DecodedMessage[] = [];

  /** A connection that has sent nothing yet. */
  constructor(address: string) {
    const path = /^unix:path=([^,]*)/.exec(address)?.[1];
    if (path === undefined) throw new Error(`no unix:path in ${address}`);
    this.fd = connectUnix(decodeURIComponent(path));
  }

  /** A connection that has said Hello. */
  static open(address: string, unixFds = true): RawClient {
    const client = new RawClient(address).authenticate(unixFds);
    client.uniqueName = String(client.callBus('Hello')[0]);
    return client;
  }

  /** EXTERNAL with our uid; messages can follow. */
  authenticate(unixFds = true): this {
    const uid = Buffer.from(String(getuid())).toString('hex');
    this.send(Buffer.from(`\0AUTH EXTERNAL ${uid}\r\n`));
    if (!this.receiveLine().startsWith('OK ')) throw new Error('the bus rejects EXTERNAL');
    if (unixFds) {
      this.send(Buffer.from('NEGOTIATE_UNIX_FD\r\n'));
      if (this.receiveLine() !== 'AGREE_UNIX_FD') throw new Error('the bus passes no descriptors');
    }
    this.send(Buffer.from('BEGIN\r\n'));
    return this;
  }

  nextSerial(): number {
    this.#serial++;
    return this.#serial;
  }

  /** Sends all of it; waits while the bus does not read. Descriptors go with the first byte. */
  send(bytes: Uint8Array, fds: readonly number[] = []): void {
    for (let sent = 0; sent < bytes.length;) {
      const count = this.trySend(bytes, sent, sent === 0 ? fds : []);
      if (count === 0 && !waitWritable(this.fd, PATIENCE_MS)) throw new Error('nobody reads');
      sent += count;
    }
  }

  /** Sends each byte by itself. */
  sendByByte(bytes: Uint8Array): void {
    for (const byte of bytes) this.send(Uint8Array.of(byte));
  }

  /** Sends what the socket takes of `bytes` from `offset` on; 0 when it is full. */
  trySend(bytes: Uint8Array, offset = 0, fds: readonly number[] = []): number {
    const copy = allocateBytes(Math.min(bytes.length - offset, SEND_BYTES));
    copy.bytes.set(bytes.subarray(offset, offset + copy.bytes.length));
    sender.begin();
    sender.add(copy.address, copy.bytes.length);
    for (const fd of fds) sender.addFd(fd);
    const count = sender.send(this.fd);
    if (count === -Errno.EAGAIN) return 0;
    if (count < 0) throw new Disconnected(`cannot send: ${errnoName(-count)}`);
    return count;
  }

  /** Sends copies of whole messages until the socket is full; returns how many bytes it took. */
  fillUp(messages: Uint8Array): number {
    let taken = 0;
    for (;;) {
      const count = this.trySend(messages, this.#filled);
      if (count === 0) return taken;
      taken += count;
      this.#filled = (this.#filled + count) % messages.length;
    }
  }

  /** Sends a message with a serial of its own, which is returned. */
  post(
    type: MessageType,
    fields: Omit<MessageFields, 'type' | 'serial'>,
    body: unknown[] = [],
    fds: readonly number[] = [],
  ): number {
    const serial = this.nextSerial();
    const unixFds = fds.length === 0 ? undefined : fds.length;
    this.send(encodeMessage({ ...fields, type, serial, unixFds }, body), fds);
    return serial;
  }

  /** Sends a call and returns its serial. */
  startCall(fields: CallFields, body: unknown[] = [], fds: readonly number[] = []): number {
    return this.post(MessageType.MethodCall, { path: '/', ...fields }, body, fds);
  }

  /** A call and the arguments of its reply. Throws ErrorReply. */
  call(fields: CallFields, body: unknown[] = []): unknown[] {
    const reply = this.replyTo(this.startCall(fields, body));
    if (reply.type === MessageType.Error) throw new ErrorReply(reply);
    return reply.body;
  }

  /** Calls a method of the bus. */
  callBus(member: string, signature?: string, body: unknown[] = []): unknown[] {
    return this.call({ ...BUS, member, signature }, body);
  }

  /** Answers a call. */
  reply(to: DecodedMessage, signature?: string, body: unknown[] = []): void {
    const { serial, sender: destination } = to;
    this.post(MessageType.MethodReturn, { replySerial: serial, destination, signature }, body);
  }

  /** The return or error for a call; what else comes is kept for `receive`. */
  replyTo(serial: number): DecodedMessage {
    return this.receive((message) => message.replySerial === serial);
  }

  /**
   * The first message that `isWanted`, by default the next; waits for it, and keeps what comes
   * before.
   */
  receive(isWanted: (message: DecodedMessage) => boolean = () => true): DecodedMessage {
    const index = this.#kept.findIndex(isWanted);
    if (index >= 0) return this.#kept.splice(index, 1)[0];
    for (;;) {
      const message = this.#next();
      if (message === undefined) this.#fillOrThrow();
      else if (isWanted(message)) return message;
      else this.#kept.push(message);
    }
  }

  /** The first signal called `member`. */
  receiveSignal(member: string): DecodedMessage {
    return this.receive((each) => each.type === MessageType.Signal && each.member === member);
  }

  /** Everything that has come by now, without waiting. */
  receiveWaiting(): DecodedMessage[] {
    const messages = this.#kept.splice(0);
    do {
      for (let next = this.#next(); next !== undefined; next = this.#next()) messages.push(next);
    } while (waitReadable(this.fd, 0) && this.#fill());
    return messages;
  }

  /** Everything that comes until the bus closes the connection. */
  receiveUntilEnd(): DecodedMessage[] {
    const messages = this.#kept.splice(0);
    for (;;) {
      const message = this.#next();
      if (message !== undefined) messages.push(message);
      else if (!this.#fill()) return messages;
    }
  }

  /** Whether the socket has something to read. */
  get hasInput(): boolean {
    return waitReadable(this.fd, 0);
  }

  /** What the next descriptors are open on; closes them. */
  takeDescriptors(count: number): string[] {
    return this.descriptors.splice(0, count).map((fd) => {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      closeFd(fd);
      return target;
    });
  }

  /** Reads until the bus closes the connection, whatever it sends. */
  readUntilEnd(): void {
    while (this.#fill()) this.#start = this.#end;
  }

  /** The end of the last message, as it was received. */
  lastBytes(count: number): Uint8Array {
    return this.#input.bytes.slice(this.#start - count, this.#start);
  }

  /** Whether these bytes are among those that were received last. */
  seen(text: string): boolean {
    return Buffer.from(this.#input.bytes.buffer).includes(text);
  }

  /** A line of the authentication, without its end. */
  receiveLine(): string {
    for (;;) {
      const line = this.#input.bytes.subarray(this.#start, this.#end);
      const length = line.indexOf(0x0a);
      if (length >= 0) {
        this.#start += length + 1;
        return Buffer.from(line.subarray(0, length)).toString('latin1').trimEnd();
      }
      this.#fillOrThrow();
    }
  }

  /** Reads `lengthBytes` at most, and looks at nothing yet. False at the end of the stream. */
  read(lengthBytes: number): boolean {
    this.#makeRoom(lengthBytes);
    if (!waitReadable(this.fd, PATIENCE_MS)) throw new Error('nothing came from the bus');
    const { address } = this.#input;
    const count = receiver.receive(this.fd, address + this.#end, lengthBytes);
    for (let i = 0; i < receiver.fdCount; i++) this.descriptors.push(receiver.fds[i]);
    if (count <= 0) return false;
    this.#end += count;
    return true;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const fd of this.descriptors) closeFd(fd);
    closeFd(this.fd);
  }

  #next(): DecodedMessage | undefined {
    const { bytes } = this.#input;
    const view = new DataView(bytes.buffer);
    const length = frameLength(bytes, view, this.#start, this.#end);
    if (length < 0) throw new Error('what the bus sent is not a message');
    if (length === 0 || this.#start + length > this.#end) return undefined;
    this.#start += length;
    return decodeMessage(bytes.slice(this.#start - length, this.#start));
  }

  #fill(): boolean {
    return this.read(INPUT_BYTES);
  }

  #fillOrThrow(): void {
    if (!this.#fill()) throw new Disconnected('the bus has closed the connection');
  }

  #makeRoom(lengthBytes: number): void {
    const held = this.#end - this.#start;
    if (this.#end + lengthBytes <= this.#input.bytes.length) return;
    const old = this.#input.bytes.subarray(this.#start, this.#end);
    if (held + lengthBytes > this.#input.bytes.length) {
      this.#input = allocateBytes((held + lengthBytes) * 2);
      this.#input.bytes.set(old);
    } else this.#input.bytes.copyWithin(0, this.#start, this.#end);
    this.#start = 0;
    this.#end = held;
  }
}

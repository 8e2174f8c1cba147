import { MessageSender } from '#core/linux/index.js';
import { wireFaultText } from '#bridge/wire/faults.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { BlockingConnection } from './blocking-connection.js';

/** Longer bodies are sent from where they were received. */
const COPY_MAX_BYTES = 1024;
/** Answers are collected for one write up to this size. */
const FLUSH_BYTES = 512 << 10;
const REPLY_SERIAL_MARK = 0x1234_5678;

/** The header of a reply, to be patched: length of the body, serial, reply serial. */
class ReplyHeader {
  readonly bytes: Uint8Array;
  readonly replySerialOffset: number;

  constructor(destination: string | undefined, signature: string, body: unknown[]) {
    const message = encodeMessage(
      {
        type: MessageType.MethodReturn,
        flags: MessageFlag.NoReplyExpected,
        serial: 1,
        replySerial: REPLY_SERIAL_MARK,
        destination,
        signature,
      },
      body,
    );
    const mark = Buffer.alloc(4);
    mark.writeUInt32LE(REPLY_SERIAL_MARK);
    const bodyBytes = new DataView(message.buffer, message.byteOffset).getUint32(4, true);
    this.replySerialOffset = Buffer.from(message).indexOf(mark);
    this.bytes = message.slice(0, message.length - bodyBytes);
  }
}

/**
 * The answering end: a call with a body gets the body back, a call without one gets the number of
 * one-way messages (calls without reply, and signals) so far. In the steady state nothing is
 * allocated or parsed.
 */
export class EchoEnd {
  readonly #connection: BlockingConnection;
  readonly #output: Uint8Array;
  readonly #outputView: DataView;
  readonly #sender = new MessageSender();
  readonly #header = new MessageHeader();
  #pending = 0;
  #ticks = 0;
  #echo = new ReplyHeader(undefined, 'ay', [new Uint8Array(0)]);
  #sync = new ReplyHeader(undefined, 'u', [0]);

  // The last caller, and the offset of its name in a header of that length.
  #caller = '';
  #callerBytes = new Uint8Array(0);
  #callerOffset = 0;
  #fieldsBytes = -1;

  constructor(connection: BlockingConnection) {
    this.#connection = connection;
    this.#output = connection.output.bytes;
    this.#outputView = connection.output.view;
  }

  get fd(): number {
    return this.#connection.fd;
  }

  /** Takes what has arrived and answers it with as few writes as possible. */
  serve(): void {
    const connection = this.#connection;
    connection.fill();
    while (connection.nextFrame()) this.#answer();
    this.#flush();
  }

  #answer(): void {
    const { bytes, view, frame } = this.#connection;
    const type = bytes[frame + 1];
    const isCall = type === MessageType.MethodCall;
    if (!isCall && type !== MessageType.Signal) return;
    if (!isCall || (view.getUint8(frame + 2) & MessageFlag.NoReplyExpected) !== 0) {
      this.#ticks = (this.#ticks + 1) >>> 0;
      return;
    }
    if (!this.#sameCaller()) this.#learnCaller();
    const bodyBytes = view.getUint32(frame + 4, true);
    const serial = view.getUint32(frame + 8, true);
    if (bodyBytes === 0) this.#replyTicks(serial);
    else if (bodyBytes <= COPY_MAX_BYTES) this.#replyCopy(serial, bodyBytes);
    else this.#replyInPlace(serial, bodyBytes);
    if (this.#pending > FLUSH_BYTES) this.#flush();
  }

  #replyTicks(serial: number): void {
    this.#appendHeader(this.#sync, serial, 4);
    this.#outputView.setUint32(this.#pending, this.#ticks, true);
    this.#pending += 4;
  }

  #replyCopy(serial: number, bodyBytes: number): void {
    this.#appendHeader(this.#echo, serial, bodyBytes);
    const { view, next } = this.#connection;
    const output = this.#output;
    const from = next - bodyBytes;
    const to = this.#pending;
    for (let i = 0; i < bodyBytes; i++) output[to + i] = view.getUint8(from + i);
    this.#pending += bodyBytes;
  }

  #replyInPlace(serial: number, bodyBytes: number): void {
    const { fd, output, inputAddress, next } = this.#connection;
    const sender = this.#sender;
    const bodyAddress = inputAddress + next - bodyBytes;
    this.#appendHeader(this.#echo, serial, bodyBytes);
    sender.begin();
    sender.add(output.address, this.#pending);
    sender.add(bodyAddress, bodyBytes);
    const sent = sender.send(fd) - this.#pending;
    if (sent < 0) throw new Error('cannot send the header of a reply');
    this.#pending = 0;
    this.#connection.sendAll(bodyAddress + sent, bodyBytes - sent);
  }

  #appendHeader(header: ReplyHeader, serial: number, bodyBytes: number): void {
    const at = this.#pending;
    const view = this.#outputView;
    this.#output.set(header.bytes, at);
    view.setUint32(at + 4, bodyBytes, true);
    view.setUint32(at + 8, this.#connection.serials.next(), true);
    view.setUint32(at + header.replySerialOffset, serial, true);
    this.#pending = at + header.bytes.length;
  }

  #flush(): void {
    if (this.#pending === 0) return;
    this.#connection.sendAll(this.#connection.output.address, this.#pending);
    this.#pending = 0;
  }

  /** Same length of header, and the known caller's name at the known place: nothing to parse. */
  #sameCaller(): boolean {
    const { bytes, view, frame } = this.#connection;
    if (view.getUint32(frame + 12, true) !== this.#fieldsBytes) return false;
    const name = this.#callerBytes;
    const at = frame + this.#callerOffset;
    for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
    return true;
  }

  #learnCaller(): void {
    const { bytes, view, frame, next } = this.#connection;
    const header = this.#header;
    const fault = header.scan(bytes, view, frame, next);
    if (fault !== 0) throw new Error(`the bus delivered a faulty message: ${wireFaultText(fault)}`);
    const end = header.senderOffset + header.senderLength;
    this.#callerBytes = bytes.slice(header.senderOffset, end);
    this.#callerOffset = header.senderOffset - frame;
    this.#fieldsBytes = view.getUint32(frame + 12, true);
    const caller = Buffer.from(this.#callerBytes).toString('latin1');
    if (caller === this.#caller) return;
    this.#caller = caller;
    const destination = caller === '' ? undefined : caller;
    this.#echo = new ReplyHeader(destination, 'ay', [new Uint8Array(0)]);
    this.#sync = new ReplyHeader(destination, 'u', [0]);
  }
}

import { validateBody } from './body.js';
import { WireError } from './faults.js';
import { MessageHeader } from './header.js';
import { Encoder, encoder } from './marshal.js';
import { singleType, type CompleteType } from './signature.js';
import { EndianMark, FieldCode } from './types.js';
import { decodeBody } from './unmarshal.js';

/** The header of a message in JavaScript terms. `type` is a {@link MessageType}, `flags` are bits. */
export interface MessageFields {
  readonly type: number;
  readonly flags?: number | undefined;
  readonly serial: number;
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly errorName?: string | undefined;
  readonly replySerial?: number | undefined;
  readonly destination?: string | undefined;
  readonly sender?: string | undefined;
  /** Of the body; absent means that there is none. */
  readonly signature?: string | undefined;
  /** Number of descriptors that travel with the message. */
  readonly unixFds?: number | undefined;
}

/** A message as it was received. Fields that it did not have are absent. */
export interface DecodedMessage extends MessageFields {
  readonly flags: number;
  readonly littleEndian: boolean;
  readonly body: unknown[];
}

const BYTE = singleType('y');
const UINT32 = singleType('u');
const STRING = singleType('s');
const OBJECT_PATH = singleType('o');
const SIGNATURE = singleType('g');
const PROTOCOL_VERSION = 1;

/**
 * One whole message. `body` is either the arguments or what `encodeBody` has made of them in the same
 * byte order. Throws a {@link WireError} for anything that a receiver would refuse.
 */
export function encodeMessage(
  fields: MessageFields,
  body: readonly unknown[] | Uint8Array = [],
  littleEndian = true,
): Uint8Array {
  writeMessage(encoder.start(littleEndian), fields, body, fields.sender);
  const bytes = encoder.writer.take();
  const header = scanned(bytes);
  if (body instanceof Uint8Array) throwFault(validateBody(header));
  return bytes;
}

/** Longer messages may be sent from where they lie, without a copy: their memory is not used again. */
const COMPOSED_MAX_BYTES = 4096;

/** Makes one sender's messages, each in the memory of the one before: whoever keeps one has to copy it. */
export class MessageComposer {
  private readonly sender: string;
  private readonly encoder = new Encoder(COMPOSED_MAX_BYTES);

  constructor(sender: string) {
    this.sender = sender;
  }

  /** Makes one whole message and scans it into `header`. Throws what `encodeMessage` throws. */
  compose(header: MessageHeader, fields: MessageFields, body: readonly unknown[]): void {
    writeMessage(this.encoder.start(true), fields, body, this.sender);
    const { bytes, view, position } = this.encoder.writer;
    throwFault(header.scan(bytes, view, 0, position));
  }
}

function writeMessage(
  to: Encoder,
  fields: MessageFields,
  body: readonly unknown[] | Uint8Array,
  sender: string | undefined,
): void {
  const { writer, marshaller } = to;
  writeHeader(to, fields, sender);
  const bodyStart = writer.position;
  if (body instanceof Uint8Array) writer.copy(body);
  else marshaller.arguments(fields.signature ?? '', body);
  writer.patchUint32(4, writer.position - bodyStart);
}

function writeHeader(to: Encoder, fields: MessageFields, sender: string | undefined): void {
  const { writer, marshaller } = to;
  writer.uint8(writer.littleEndian ? EndianMark.Little : EndianMark.Big);
  marshaller.named('type', BYTE, fields.type);
  marshaller.named('flags', BYTE, fields.flags ?? 0);
  writer.uint8(PROTOCOL_VERSION);
  writer.uint32(0); /* length of the body, known later */
  marshaller.named('serial', UINT32, fields.serial);
  writer.uint32(0); /* length of the fields */
  const start = writer.position;
  const signature = fields.signature === '' ? undefined : fields.signature;
  writeField(to, 'path', FieldCode.Path, OBJECT_PATH, fields.path);
  writeField(to, 'interface', FieldCode.Interface, STRING, fields.interface);
  writeField(to, 'member', FieldCode.Member, STRING, fields.member);
  writeField(to, 'errorName', FieldCode.ErrorName, STRING, fields.errorName);
  writeField(to, 'destination', FieldCode.Destination, STRING, fields.destination);
  writeField(to, 'sender', FieldCode.Sender, STRING, sender);
  writeField(to, 'signature', FieldCode.Signature, SIGNATURE, signature);
  writeField(to, 'replySerial', FieldCode.ReplySerial, UINT32, fields.replySerial);
  writeField(to, 'unixFds', FieldCode.UnixFds, UINT32, fields.unixFds);
  writer.patchUint32(12, writer.position - start);
  writer.align(8);
}

function writeField(
  { writer, marshaller }: Encoder,
  name: string,
  code: number,
  type: CompleteType,
  value: string | number | undefined,
): void {
  if (value === undefined) return;
  writer.align(8);
  writer.uint8(code);
  writer.signature(type.text);
  marshaller.named(name, type, value);
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** One whole message, and nothing but it. Throws a {@link WireError} when it is not valid. */
export function decodeMessage(bytes: Uint8Array): DecodedMessage {
  const header = scanned(bytes);
  const { littleEndian, bodyStart, end } = header;
  const body = decodeBody(header.signature.text, bytes.subarray(bodyStart, end), littleEndian);
  const { type, flags, serial } = header;
  const message: Writable<DecodedMessage> = { type, flags, serial, littleEndian, body };
  decodeFields(header, message);
  return message;
}

function decodeFields(header: MessageHeader, message: Writable<MessageFields>): void {
  const { bytes } = header;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (offset: number, length: number): string =>
    buffer.toString('latin1', offset, offset + length);
  if (header.pathLength > 0) message.path = text(header.pathOffset, header.pathLength);
  if (header.interfaceLength > 0) {
    message.interface = text(header.interfaceOffset, header.interfaceLength);
  }
  if (header.memberLength > 0) message.member = text(header.memberOffset, header.memberLength);
  if (header.errorNameLength > 0) {
    message.errorName = text(header.errorNameOffset, header.errorNameLength);
  }
  if (header.destinationLength > 0) {
    message.destination = text(header.destinationOffset, header.destinationLength);
  }
  if (header.senderLength > 0) message.sender = text(header.senderOffset, header.senderLength);
  if (header.signatureLength > 0) message.signature = header.signature.text;
  if (header.replySerial > 0) message.replySerial = header.replySerial;
  if (header.unixFds > 0) message.unixFds = header.unixFds;
}

/** Making a header costs more than scanning a short message, so short messages share this one. */
const shared = new MessageHeader();
/** A header keeps its message's bytes alive, so longer messages get a header of their own. */
const SHARED_MAX_BYTES = 64 * 1024;

/** The header is valid until the next call. */
function scanned(bytes: Uint8Array): MessageHeader {
  const header = bytes.length > SHARED_MAX_BYTES ? new MessageHeader() : shared;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  throwFault(header.scan(bytes, view, 0, bytes.length));
  return header;
}

function throwFault(fault: number): void {
  if (fault !== 0) throw new WireError(fault);
}

import { WireError, WireFault } from '#bridge/wire/faults.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { EndianMark, FieldCode, MessageType } from '#bridge/wire/types.js';
import { ByteWriter } from '#bridge/wire/writer.js';

/** All of a header except what differs from one message to the next: serials and the length of the body. */
export interface OutgoingFields {
  readonly type: number;
  readonly flags: number;
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly errorName?: string | undefined;
  readonly destination?: string | undefined;
  readonly sender?: string | undefined;
  readonly signature: string;
  readonly unixFds: number;
}

/** The contents of a call or a signal that its header contains. */
export interface SaidInHeader {
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly signature?: string | undefined;
}

/** Defaults of fields that are left out. */
const ROOT_PATH = '/';
const NO_SIGNATURE = '';
const PROTOCOL_VERSION = 1;
const BODY_LENGTH_OFFSET = 4;
const SERIAL_OFFSET = 8;
const FIELDS_LENGTH_OFFSET = 12;
/** In replies REPLY_SERIAL is the first field: code, signature, NUL, then the word. */
const REPLY_SERIAL_OFFSET = 20;

/** The header of many messages, encoded once and patched for each of them. */
export class OutgoingHeader {
  readonly fields: OutgoingFields;
  readonly bytes: Uint8Array;
  private readonly view: DataView;

  /** @throws WireError for a name, path or signature that is not valid */
  constructor(fields: OutgoingFields) {
    this.fields = fields;
    this.bytes = encode(fields).slice();
    this.view = new DataView(this.bytes.buffer);
    const fault = new MessageHeader().scan(this.bytes, this.view, 0, this.bytes.length);
    if (fault !== 0) throw new WireError(fault, describe(fields));
  }

  // hot
  says(
    type: number,
    flags: number,
    content: SaidInHeader,
    destination: string | undefined,
    sender: string | undefined,
    unixFds: number,
  ): boolean {
    const { fields } = this;
    const { path = ROOT_PATH, signature = NO_SIGNATURE } = content;
    return (
      fields.path === path &&
      fields.interface === content.interface &&
      fields.member === content.member &&
      fields.signature === signature &&
      fields.flags === flags &&
      fields.type === type &&
      fields.unixFds === unixFds &&
      fields.destination === destination &&
      fields.sender === sender
    );
  }

  /** Makes it the header of one message. */
  // hot
  patch(serial: number, bodyBytes: number): void {
    this.view.setUint32(BODY_LENGTH_OFFSET, bodyBytes, true);
    this.view.setUint32(SERIAL_OFFSET, serial, true);
  }

  /** Sets the call that a method return or an error answers. */
  // hot
  patchReplySerial(serial: number): void {
    this.view.setUint32(REPLY_SERIAL_OFFSET, serial, true);
  }
}

function encode(fields: OutgoingFields): Uint8Array {
  const writer = new ByteWriter(true);
  writer.uint8(EndianMark.Little);
  writer.uint8(fields.type);
  writer.uint8(fields.flags);
  writer.uint8(PROTOCOL_VERSION);
  writer.uint32(0); /* length of the body */
  writer.uint32(1); /* serial */
  writer.uint32(0); /* length of the fields */
  const start = writer.position;
  if (fields.type === MessageType.MethodReturn || fields.type === MessageType.Error) {
    word(writer, FieldCode.ReplySerial, 1);
  }
  text(writer, FieldCode.Path, 'o', fields.path);
  text(writer, FieldCode.Interface, 's', fields.interface);
  text(writer, FieldCode.Member, 's', fields.member);
  text(writer, FieldCode.ErrorName, 's', fields.errorName);
  text(writer, FieldCode.Destination, 's', fields.destination);
  text(writer, FieldCode.Sender, 's', fields.sender);
  if (fields.signature !== '') {
    begin(writer, FieldCode.Signature, 'g');
    writer.signature(fields.signature);
  }
  if (fields.unixFds > 0) word(writer, FieldCode.UnixFds, fields.unixFds);
  writer.patchUint32(FIELDS_LENGTH_OFFSET, writer.position - start);
  writer.align(8);
  return writer.written();
}

function begin(writer: ByteWriter, code: number, type: string): void {
  writer.align(8);
  writer.uint8(code);
  writer.signature(type);
}

function word(writer: ByteWriter, code: number, value: number): void {
  begin(writer, code, 'u');
  writer.uint32(value);
}

function text(writer: ByteWriter, code: number, type: string, value: string | undefined): void {
  if (value === undefined) return;
  begin(writer, code, type);
  if (!writer.string(value)) throw new WireError(WireFault.Utf8, `'${value}'`);
}

function describe({
  path,
  interface: iface,
  member,
  errorName,
  destination,
  signature,
}: OutgoingFields): string {
  const place = [destination, path, iface, member ?? errorName].filter(
    (part) => part !== undefined,
  );
  return `message '${place.join(' ')}' with signature '${signature}'`;
}

/** Members whose headers are kept, and headers kept for one member; headers beyond that are encoded again. */
const MEMBERS_MAX = 256;
const HEADERS_PER_MEMBER_MAX = 16;

/** The headers of calls and signals that go through one handle, by their contents. */
export class OutgoingHeaders {
  private readonly byMember = new Map<string | undefined, OutgoingHeader[]>();
  private last: OutgoingHeader | undefined;

  /** @throws WireError */
  // hot
  find(
    type: number,
    flags: number,
    content: SaidInHeader,
    destination: string | undefined,
    sender: string | undefined,
    unixFds: number,
  ): OutgoingHeader {
    const { last } = this;
    if (last !== undefined && last.says(type, flags, content, destination, sender, unixFds)) {
      return last;
    }
    const { path = ROOT_PATH, interface: iface, member, signature = NO_SIGNATURE } = content;
    const said = { type, flags, path, interface: iface, member, signature };
    this.last = this.lookUp({ ...said, destination, sender, unixFds });
    return this.last;
  }

  private lookUp(fields: OutgoingFields): OutgoingHeader {
    const { type, flags, destination, sender, unixFds } = fields;
    const found = this.byMember
      .get(fields.member)
      ?.find((header) => header.says(type, flags, fields, destination, sender, unixFds));
    return found ?? this.add(fields);
  }

  private add(fields: OutgoingFields): OutgoingHeader {
    const header = new OutgoingHeader(fields);
    const known = this.byMember.get(fields.member);
    if (known === undefined || known.length >= HEADERS_PER_MEMBER_MAX) {
      if (this.byMember.size >= MEMBERS_MAX) this.byMember.clear();
      this.byMember.set(fields.member, [header]);
    } else {
      known.push(header);
    }
    return header;
  }
}

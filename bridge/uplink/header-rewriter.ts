import type { Message } from '#core/index.js';
import { allocateBytes } from '#core/linux/index.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { FieldCode, TypeCode } from '#bridge/wire/types.js';

/** A header longer than this gets memory of its own, because an outbox sends such a piece without copying it. */
const SCRATCH_BYTES = 8 * 1024;
/** The most that inserted fields add: two names of 255 bytes and a word, with their prologues. */
const GROWTH_BYTES = 640;

/** Marks a field that is to be left out. */
export const NO_FIELD = new Uint8Array(0);

/**
 * Rewrites the header of a message for the bus that it goes to, and leaves the body as it is: each bus has its own
 * unique names, each connection its own serials.
 */
export class HeaderRewriter {
  private readonly scratch = allocateBytes(SCRATCH_BYTES).bytes;
  private readonly scratchView = viewOf(this.scratch);
  private bytes = this.scratch;
  private view = this.scratchView;
  private at = 0;
  private littleEndian = true;

  /**
   * Adds header and body to `message`. `replySerial` 0 and `destination` null keep the field. Valid until the next
   * call.
   */
  // hot
  rewrite(
    message: Message,
    header: MessageHeader,
    serial: number,
    replySerial: number,
    destination: Uint8Array | null,
    sender: Uint8Array,
  ): void {
    this.begin(header, serial);
    const source = header.bytes;
    this.copy(FieldCode.Path, TypeCode.ObjectPath, source, header.pathOffset, header.pathLength);
    this.copy(
      FieldCode.Interface,
      TypeCode.String,
      source,
      header.interfaceOffset,
      header.interfaceLength,
    );
    this.copy(FieldCode.Member, TypeCode.String, source, header.memberOffset, header.memberLength);
    this.copy(
      FieldCode.ErrorName,
      TypeCode.String,
      source,
      header.errorNameOffset,
      header.errorNameLength,
    );
    if (header.replySerial !== 0)
      this.word(FieldCode.ReplySerial, replySerial === 0 ? header.replySerial : replySerial);
    if (destination !== null) {
      this.copy(FieldCode.Destination, TypeCode.String, destination, 0, destination.length);
    } else {
      this.copy(
        FieldCode.Destination,
        TypeCode.String,
        source,
        header.destinationOffset,
        header.destinationLength,
      );
    }
    this.copy(FieldCode.Sender, TypeCode.String, sender, 0, sender.length);
    if (header.signatureLength > 0) this.signature(header);
    if (header.unixFds > 0) this.word(FieldCode.UnixFds, header.unixFds);
    this.end(message, header);
  }

  // hot
  private begin(header: MessageHeader, serial: number): void {
    const room = header.bodyStart - header.start + GROWTH_BYTES;
    if (room > SCRATCH_BYTES) this.takeMemory(room);
    else {
      this.bytes = this.scratch;
      this.view = this.scratchView;
    }
    const { bytes, view } = this;
    this.littleEndian = header.littleEndian;
    for (let i = 0; i < 4; i++) bytes[i] = header.bytes[header.start + i];
    view.setUint32(4, header.bodyLength, this.littleEndian);
    view.setUint32(8, serial, this.littleEndian);
    this.at = 16;
  }

  // hot
  private end(message: Message, header: MessageHeader): void {
    this.view.setUint32(12, this.at - 16, this.littleEndian);
    this.align();
    message.addPiece(this.bytes, 0, this.at);
    if (header.bodyLength > 0) message.addPiece(header.bytes, header.bodyStart, header.bodyLength);
  }

  private takeMemory(lengthBytes: number): void {
    this.bytes = allocateBytes(lengthBytes).bytes;
    this.view = viewOf(this.bytes);
  }

  // hot
  private align(): void {
    while ((this.at & 7) !== 0) this.bytes[this.at++] = 0;
  }

  // hot
  private prologue(code: number, type: number): void {
    this.align();
    const { bytes } = this;
    bytes[this.at++] = code;
    bytes[this.at++] = 1;
    bytes[this.at++] = type;
    bytes[this.at++] = 0;
  }

  // hot
  private word(code: number, value: number): void {
    this.prologue(code, TypeCode.UInt32);
    this.view.setUint32(this.at, value, this.littleEndian);
    this.at += 4;
  }

  // hot
  private copy(code: number, type: number, from: Uint8Array, offset: number, length: number): void {
    if (length === 0) return;
    this.prologue(code, type);
    this.view.setUint32(this.at, length, this.littleEndian);
    this.at += 4;
    const { bytes } = this;
    const to = this.at;
    for (let i = 0; i < length; i++) bytes[to + i] = from[offset + i];
    bytes[to + length] = 0;
    this.at = to + length + 1;
  }

  // hot
  private signature(header: MessageHeader): void {
    this.prologue(FieldCode.Signature, TypeCode.Signature);
    const { bytes } = this;
    const length = header.signatureLength;
    bytes[this.at++] = length;
    for (let i = 0; i < length; i++) bytes[this.at++] = header.bytes[header.signatureOffset + i];
    bytes[this.at++] = 0;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

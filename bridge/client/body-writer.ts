import type { Handle, Message } from '#core/index.js';
import { WireError, WireFault } from '#bridge/wire/faults.js';
import { encodeBody } from '#bridge/wire/marshal.js';
import { ARRAY_MAX_BYTES } from '#bridge/wire/limits.js';
import { isObjectPathBytes } from '#bridge/wire/names.js';
import { signatureTypes } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { mayRefer, replaceReferences } from './body-values.js';
import { flatCodes } from './flat-signature.js';
import { handlePath } from './object-protocol.js';

/** A value of type `o` that is a handle. */
export interface HandleReference {
  /** @internal @throws ClientError when it was lost */
  handleToSend(): Handle;
}

export function isHandleReference(value: unknown): value is HandleReference {
  return typeof value === 'object' && value !== null && 'handleToSend' in value;
}

const SCRATCH_BYTES = 1 << 16;
/** Text up to this length is written here if it is ASCII: a call into the runtime costs more. */
const SHORT_TEXT_LENGTH = 64;
/** Byte arrays from here on are not copied, but sent from where they are. */
const OWN_PIECE_MIN_BYTES = 1024;
/** Most such pieces in one body: with a header and the pieces between them, they fit into a message. */
const OWN_PIECES_MAX = 3;
/** A lone surrogate has no UTF-8, and NUL ends a string. */
const NOT_MARSHALLABLE = /[\0\p{Surrogate}]/u;

/**
 * Writes the bodies of messages, one at a time, into memory that is used again: the core has copied a message when
 * `send` returns. Simple bodies are written here, all others by the marshaller, which also reports what is wrong.
 */
export class BodyWriter {
  /** the values of type `h` in the last body, in order */
  readonly descriptors: number[] = [];
  private readonly bytes = new Uint8Array(SCRATCH_BYTES);
  private readonly buffer = Buffer.from(this.bytes.buffer);
  private readonly view = new DataView(this.bytes.buffer);
  /** end of what was written, and beginning of what is not a piece yet */
  private at = 0;
  private pieceStart = 0;
  /** bytes of the body that are not in `bytes` */
  private elsewhere = 0;
  private ownPieces = 0;

  /** Adds a body to `message`, as pieces and transfers. @throws WireError, ClientError */
  // hot
  write(signature: string, values: readonly unknown[], message: Message): void {
    if (this.descriptors.length > 0) this.descriptors.length = 0;
    if (signature === '' && values.length === 0) return;
    const { pieceCount, lengthBytes, transferCount } = message;
    const codes = flatCodes(signature);
    if (
      codes !== null &&
      codes.length === values.length &&
      this.writeFlat(codes, values, message)
    ) {
      return;
    }
    message.pieceCount = pieceCount;
    message.lengthBytes = lengthBytes;
    message.transferCount = transferCount;
    this.descriptors.length = 0;
    this.writeAny(signature, values, message);
  }

  private writeAny(signature: string, values: readonly unknown[], message: Message): void {
    let plain = values;
    if (mayRefer(signature)) {
      plain = replaceReferences(signatureTypes(signature), values, (code, value) => {
        if (code === TypeCode.UnixFd) return this.addDescriptor(value);
        return isHandleReference(value) ? addTransfer(value, message) : value;
      });
    }
    const bytes = encodeBody(signature, plain);
    message.addPiece(bytes, 0, bytes.length);
  }

  /** False for values that need the full marshaller. */
  // hot
  private writeFlat(codes: Uint8Array, values: readonly unknown[], message: Message): boolean {
    this.at = 0;
    this.pieceStart = 0;
    this.elsewhere = 0;
    this.ownPieces = 0;
    for (let i = 0; i < codes.length; i++) {
      if (this.at + 16 > SCRATCH_BYTES) return false;
      if (!this.writeValue(codes[i], values[i], message)) return false;
    }
    if (this.at > this.pieceStart)
      message.addPiece(this.bytes, this.pieceStart, this.at - this.pieceStart);
    return true;
  }

  // hot
  private writeValue(code: number, value: unknown, message: Message): boolean {
    switch (code) {
      case TypeCode.String:
        return typeof value === 'string' && this.writeText(value);
      case TypeCode.UInt32:
        return typeof value === 'number' && value >>> 0 === value && this.writeWord(value);
      case TypeCode.Int32:
        return typeof value === 'number' && (value | 0) === value && this.writeWord(value);
      case TypeCode.Boolean:
        return typeof value === 'boolean' && this.writeWord(value ? 1 : 0);
      case TypeCode.Byte:
        if (typeof value !== 'number' || (value & 0xff) !== value) return false;
        this.bytes[this.at++] = value;
        return true;
      case TypeCode.Array:
        return value instanceof Uint8Array && this.writeBytes(value, message);
      case TypeCode.Double:
        if (typeof value !== 'number') return false;
        this.align(8);
        this.view.setFloat64(this.at, value, true);
        this.at += 8;
        return true;
      case TypeCode.ObjectPath:
        if (isHandleReference(value)) return this.writeText(addTransfer(value, message));
        return typeof value === 'string' && this.writePath(value);
      case TypeCode.UnixFd:
        return this.writeWord(this.addDescriptor(value));
      default:
        return this.writeOther(code, value);
    }
  }

  private writeOther(code: number, value: unknown): boolean {
    if (code === TypeCode.Int16 || code === TypeCode.UInt16) {
      const isSigned = code === TypeCode.Int16;
      const fits =
        typeof value === 'number' && (isSigned ? (value << 16) >> 16 : value & 0xffff) === value;
      if (!fits) return false;
      this.align(2);
      this.view.setUint16(this.at, value, true);
      this.at += 2;
      return true;
    }
    if (typeof value !== 'bigint') return false;
    const isSigned = code === TypeCode.Int64;
    if ((isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) !== value) return false;
    this.align(8);
    this.view.setBigUint64(this.at, BigInt.asUintN(64, value), true);
    this.at += 8;
    return true;
  }

  // hot
  private writeWord(value: number): boolean {
    this.align(4);
    this.view.setUint32(this.at, value, true);
    this.at += 4;
    return true;
  }

  private writePath(path: string): boolean {
    const before = this.at;
    if (!this.writeText(path)) return false;
    const start = ((before + this.elsewhere + 3) & -4) - this.elsewhere + 4;
    return isObjectPathBytes(this.bytes, start, this.at - 1 - start);
  }

  // hot
  private writeText(text: string): boolean {
    this.align(4);
    const { bytes } = this;
    const start = this.at + 4;
    const { length } = text;
    if (start + length * 3 + 1 > SCRATCH_BYTES) return false;
    let i = 0;
    if (length <= SHORT_TEXT_LENGTH) {
      for (; i < length; i++) {
        const character = text.charCodeAt(i);
        if (character >= 0x80 || character === 0) break;
        bytes[start + i] = character;
      }
    }
    let lengthBytes = length;
    if (i < length) {
      if (NOT_MARSHALLABLE.test(text)) return false;
      lengthBytes = this.buffer.write(text, start, 'utf8');
    }
    this.view.setUint32(start - 4, lengthBytes, true);
    this.at = start + lengthBytes + 1;
    bytes[this.at - 1] = 0;
    return true;
  }

  // hot
  private writeBytes(value: Uint8Array, message: Message): boolean {
    const { length } = value;
    if (length > ARRAY_MAX_BYTES) return false;
    if (length >= OWN_PIECE_MIN_BYTES && this.ownPieces < OWN_PIECES_MAX) {
      this.writeWord(length);
      message.addPiece(this.bytes, this.pieceStart, this.at - this.pieceStart);
      message.addPiece(value, 0, length);
      this.pieceStart = this.at;
      this.elsewhere += length;
      this.ownPieces++;
      return true;
    }
    if (this.at + length + 16 > SCRATCH_BYTES) return false;
    this.writeWord(length);
    this.bytes.set(value, this.at);
    this.at += length;
    return true;
  }

  // hot
  private align(boundary: number): void {
    let { at } = this;
    while (((at + this.elsewhere) & (boundary - 1)) !== 0) this.bytes[at++] = 0;
    this.at = at;
  }

  private addDescriptor(value: unknown): number {
    const isDescriptor = typeof value === 'number' && Number.isInteger(value) && value >= 0;
    if (!isDescriptor) {
      throw new WireError(
        WireFault.Value,
        `type 'h' takes an open file descriptor, not ${String(value)}`,
      );
    }
    return this.descriptors.push(value) - 1;
  }
}

function addTransfer(reference: HandleReference, message: Message): string {
  message.addTransfer(reference.handleToSend());
  return handlePath(message.transferCount - 1);
}

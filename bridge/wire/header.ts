import { WireFault } from './faults.js';
import { ARRAY_MAX_BYTES, FIXED_HEADER_BYTES, MESSAGE_MAX_BYTES } from './limits.js';
import {
  isBusNameBytes,
  isErrorNameBytes,
  isInterfaceBytes,
  isMemberBytes,
  isObjectPathBytes,
} from './names.js';
import { EMPTY_SIGNATURE, lookupSignature } from './signature.js';
import { signatureFault } from './signature-syntax.js';
import { EndianMark, FieldCode, MessageType, TypeCode } from './types.js';
import { validator } from './value.js';

const PROTOCOL_VERSION = 1;

/**
 * Length in bytes of the message at `start`: 0 when fewer than 16 of its bytes have arrived,
 * a negated {@link WireFault} when it cannot be a message. `view` spans the same memory as `bytes`.
 */
export function frameLength(bytes: Uint8Array, view: DataView, start: number, end: number): number {
  if (end - start < FIXED_HEADER_BYTES) return 0;
  const littleEndian = bytes[start] === EndianMark.Little;
  if (!littleEndian && bytes[start] !== EndianMark.Big) return -WireFault.EndianMark;
  if (bytes[start + 3] !== PROTOCOL_VERSION) return -WireFault.ProtocolVersion;
  const fieldsBytes = view.getUint32(start + 12, littleEndian);
  if (fieldsBytes > ARRAY_MAX_BYTES) return -WireFault.FieldsTooLong;
  const bodyBytes = view.getUint32(start + 4, littleEndian);
  if (bodyBytes > MESSAGE_MAX_BYTES) return -WireFault.MessageTooLong;
  /* Both have been checked against their limits, so the sum fits into 31 bits. */
  const length = FIXED_HEADER_BYTES + ((fieldsBytes + 7) & -8) + bodyBytes;
  return length > MESSAGE_MAX_BYTES ? -WireFault.MessageTooLong : length;
}

/* The first four bytes of each field, read as a little-endian word: code, signature, its NUL. */
const PROLOGUES = fieldPrologues();

function fieldPrologues(): Int32Array {
  const prologues = new Int32Array(FieldCode.ContainerInstance + 1);
  const types: readonly [number, number][] = [
    [FieldCode.Path, TypeCode.ObjectPath],
    [FieldCode.Interface, TypeCode.String],
    [FieldCode.Member, TypeCode.String],
    [FieldCode.ErrorName, TypeCode.String],
    [FieldCode.ReplySerial, TypeCode.UInt32],
    [FieldCode.Destination, TypeCode.String],
    [FieldCode.Sender, TypeCode.String],
    [FieldCode.Signature, TypeCode.Signature],
    [FieldCode.UnixFds, TypeCode.UInt32],
    [FieldCode.ContainerInstance, TypeCode.ObjectPath],
  ];
  for (const [code, type] of types) prologues[code] = code | (1 << 8) | (type << 16);
  return prologues;
}

/* Fields that a message must have, by its type and then as bits 1 << FieldCode. */
const REQUIRED_CALL = (1 << FieldCode.Path) | (1 << FieldCode.Member);
const REQUIRED_FIELDS: readonly number[] = [
  0,
  REQUIRED_CALL,
  1 << FieldCode.ReplySerial,
  (1 << FieldCode.ErrorName) | (1 << FieldCode.ReplySerial),
  REQUIRED_CALL | (1 << FieldCode.Interface),
];

const MISSING_FAULTS: readonly [number, number][] = [
  [FieldCode.Path, WireFault.MissingPath],
  [FieldCode.Interface, WireFault.MissingInterface],
  [FieldCode.Member, WireFault.MissingMember],
  [FieldCode.ErrorName, WireFault.MissingErrorName],
  [FieldCode.ReplySerial, WireFault.MissingReplySerial],
];

function missingFieldFault(missing: number): number {
  for (const [code, fault] of MISSING_FAULTS) if ((missing & (1 << code)) !== 0) return fault;
  return 0;
}

const RESERVED_PATH = Buffer.from('/org/freedesktop/DBus/Local');
const RESERVED_INTERFACE = Buffer.from('org.freedesktop.DBus.Local');

/**
 * The reference implementation refuses everything that begins with a reserved word. A bus must do the same:
 * otherwise one client could get every receiver disconnected that uses the reference implementation.
 */
function beginsWith(bytes: Uint8Array, offset: number, length: number, word: Buffer): boolean {
  if (length < word.length) return false;
  for (let i = word.length - 1; i >= 0; i--) if (bytes[offset + i] !== word[i]) return false;
  return true;
}

/** A header field's variant is inside a struct inside an array. */
const FIELD_VARIANT_DEPTH = 2;
/** Code, signature of one type, one byte of value. */
const FIELD_MIN_BYTES = 5;

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/**
 * The header of one message, as offsets into the bytes that it was scanned from. One object serves
 * many messages. Offsets count from the beginning of `bytes`; a length of 0 means "absent".
 */
export class MessageHeader {
  bytes: Uint8Array = NO_BYTES;
  view: DataView = NO_VIEW;
  littleEndian = true;
  start = 0;
  end = 0;
  /** {@link MessageType}, or 5 to 255: valid, and unknown. */
  type = 0;
  flags = 0;
  serial = 0;
  bodyLength = 0;
  bodyStart = 0;
  /** Where the header fields end, before the padding that leads to the body. */
  fieldsEnd = 0;

  pathOffset = 0;
  pathLength = 0;
  interfaceOffset = 0;
  interfaceLength = 0;
  memberOffset = 0;
  memberLength = 0;
  errorNameOffset = 0;
  errorNameLength = 0;
  destinationOffset = 0;
  destinationLength = 0;
  senderOffset = 0;
  senderLength = 0;
  /** The characters only, without length byte and NUL. */
  signatureOffset = 0;
  signatureLength = 0;
  /** The body's types, or the empty signature. */
  signature = EMPTY_SIGNATURE;
  /** 0 = absent. */
  replySerial = 0;
  unixFds = 0;
  /** Whether there are fields with a code above 9, which a bus does not pass on. */
  hasUnknownFields = false;
  /** Bounds of the sender's struct, padding excluded; 0 = absent. */
  senderFieldStart = 0;
  senderFieldEnd = 0;

  /** Where the reply serial lies, counted from `start`; 0 = absent. */
  private replySerialAt = 0;
  /** End of the last message if the scan found no fault in it, otherwise -1. */
  private faultlessEnd = -1;

  /**
   * Reads and checks the header of the message that occupies `start` to `end` exactly.
   * Returns 0 or a {@link WireFault}; after a fault the offsets mean nothing.
   *
   * `isNext`: the message before it lies there as it was when it was scanned, except for the length of its fields.
   * Where a program sends many messages at once, often only serials and bodies differ: then it is enough to compare.
   */
  scan(bytes: Uint8Array, view: DataView, start: number, end: number, isNext = false): number {
    if (isNext && bytes === this.bytes && this.isRepeatedAt(start, end)) {
      this.moveTo(start, end);
      return 0;
    }
    this.faultlessEnd = -1;
    const length = frameLength(bytes, view, start, end);
    if (length < 0) return -length;
    if (length === 0 || length !== end - start) return WireFault.MessageLength;
    this.bytes = bytes;
    this.view = view;
    this.start = start;
    this.end = end;
    const littleEndian = bytes[start] === EndianMark.Little;
    this.littleEndian = littleEndian;
    this.type = bytes[start + 1];
    this.flags = bytes[start + 2];
    this.bodyLength = view.getUint32(start + 4, littleEndian);
    this.serial = view.getUint32(start + 8, littleEndian);
    this.bodyStart = end - this.bodyLength;
    this.fieldsEnd = start + FIXED_HEADER_BYTES + view.getUint32(start + 12, littleEndian);
    if (this.type === MessageType.Invalid) return WireFault.MessageType;
    if (this.serial === 0) return WireFault.Serial;
    for (let p = this.fieldsEnd; p < this.bodyStart; p++) {
      if (bytes[p] !== 0) return WireFault.Padding;
    }
    this.forgetFields();
    const fault = this.scanFields();
    if (fault === 0) this.faultlessEnd = end;
    return fault;
  }

  /** Whether the message there is without fault, and has the type and the fields of this one, but for the serials. */
  private isRepeatedAt(start: number, end: number): boolean {
    const { bytes, view, start: before, littleEndian, replySerialAt } = this;
    if (start !== this.faultlessEnd || this.senderFieldStart !== 0 || this.hasUnknownFields)
      return false;
    const headerBytes = this.bodyStart - before;
    if (end - start < headerBytes || bytes[start] !== bytes[before]) return false;
    if (bytes[start + 1] !== this.type || bytes[start + 3] !== PROTOCOL_VERSION) return false;
    if (view.getUint32(start + 4, littleEndian) !== end - start - headerBytes) return false;
    if (view.getUint32(start + 8, littleEndian) === 0) return false;
    const fieldsBytes = this.fieldsEnd - before - FIXED_HEADER_BYTES;
    if (view.getUint32(start + 12, littleEndian) !== fieldsBytes) return false;
    for (let i = FIXED_HEADER_BYTES; i < headerBytes; i += 4) {
      if (view.getInt32(start + i) !== view.getInt32(before + i) && i !== replySerialAt)
        return false;
    }
    return replySerialAt === 0 || view.getUint32(start + replySerialAt, littleEndian) !== 0;
  }

  /** Takes the offsets over to the message there. */
  private moveTo(start: number, end: number): void {
    const { bytes, view, littleEndian, replySerialAt } = this;
    const distance = start - this.start;
    this.start = start;
    this.end = this.faultlessEnd = end;
    this.flags = bytes[start + 2];
    this.bodyLength = view.getUint32(start + 4, littleEndian);
    this.serial = view.getUint32(start + 8, littleEndian);
    if (replySerialAt > 0) this.replySerial = view.getUint32(start + replySerialAt, littleEndian);
    this.bodyStart += distance;
    this.fieldsEnd += distance;
    this.pathOffset += distance;
    this.interfaceOffset += distance;
    this.memberOffset += distance;
    this.errorNameOffset += distance;
    this.destinationOffset += distance;
    this.signatureOffset += distance;
  }

  private forgetFields(): void {
    this.pathLength = 0;
    this.interfaceLength = 0;
    this.memberLength = 0;
    this.errorNameLength = 0;
    this.destinationLength = 0;
    this.senderLength = 0;
    this.signatureLength = 0;
    this.signature = EMPTY_SIGNATURE;
    this.replySerial = 0;
    this.replySerialAt = 0;
    this.unixFds = 0;
    this.hasUnknownFields = false;
    this.senderFieldStart = 0;
    this.senderFieldEnd = 0;
  }

  private scanFields(): number {
    const { bytes, view, start, fieldsEnd } = this;
    let seen = 0;
    let field = start + FIXED_HEADER_BYTES;
    while (field < fieldsEnd) {
      if (fieldsEnd - field < FIELD_MIN_BYTES) return WireFault.OutOfBounds;
      const code = bytes[field];
      let next: number;
      if (code > FieldCode.ContainerInstance) {
        next = this.scanUnknownField(field);
      } else {
        if (view.getInt32(field, true) !== PROLOGUES[code]) {
          return code === 0 ? WireFault.FieldCode : WireFault.FieldType;
        }
        if ((seen & (1 << code)) !== 0) return WireFault.FieldDuplicate;
        seen |= 1 << code;
        next =
          code > FieldCode.UnixFds ? this.scanUnknownField(field) : this.scanField(code, field + 4);
      }
      if (next < 0) return -next;
      if (next === fieldsEnd) break;
      field = start + ((next - start + 7) & -8);
      if (field >= fieldsEnd) return WireFault.FieldsLength;
      for (let p = next; p < field; p++) if (bytes[p] !== 0) return WireFault.Padding;
    }
    const required = this.type <= MessageType.Signal ? REQUIRED_FIELDS[this.type] : 0;
    const missing = required & ~seen;
    return missing === 0 ? 0 : missingFieldFault(missing);
  }

  /** The position after the field, or a negated fault. */
  private scanUnknownField(field: number): number {
    this.hasUnknownFields = true;
    validator.open(this.bytes, this.view, this.start, this.fieldsEnd, this.littleEndian);
    return validator.variant(field + 1, FIELD_VARIANT_DEPTH);
  }

  /** `value`: where the value of a field of the right type begins. The position after it, or -fault. */
  private scanField(code: number, value: number): number {
    if (code === FieldCode.Signature) return this.scanSignature(value);
    if (this.fieldsEnd - value < 4) return -WireFault.OutOfBounds;
    const word = this.view.getUint32(value, this.littleEndian);
    if (code === FieldCode.ReplySerial) {
      this.replySerial = word;
      this.replySerialAt = value - this.start;
      return word === 0 ? -WireFault.ReplySerial : value + 4;
    }
    if (code === FieldCode.UnixFds) {
      this.unixFds = word;
      return value + 4;
    }
    const offset = value + 4;
    if (word >= this.fieldsEnd - offset) return -WireFault.OutOfBounds;
    if (this.bytes[offset + word] !== 0) return -WireFault.NotTerminated;
    const fault = this.takeString(code, offset, word);
    return fault === 0 ? offset + word + 1 : -fault;
  }

  private scanSignature(value: number): number {
    const { bytes, fieldsEnd } = this;
    const length = bytes[value];
    const offset = value + 1;
    if (length >= fieldsEnd - offset) return -WireFault.OutOfBounds;
    if (bytes[offset + length] !== 0) return -WireFault.NotTerminated;
    const signature = lookupSignature(bytes, offset, length);
    if (signature === undefined) return -signatureFault(bytes, offset, length);
    this.signature = signature;
    this.signatureOffset = offset;
    this.signatureLength = length;
    return offset + length + 1;
  }

  private takeString(code: number, offset: number, length: number): number {
    const { bytes } = this;
    switch (code) {
      case FieldCode.Path:
        if (!isObjectPathBytes(bytes, offset, length)) return WireFault.Path;
        this.pathOffset = offset;
        this.pathLength = length;
        return beginsWith(bytes, offset, length, RESERVED_PATH) ? WireFault.ReservedPath : 0;
      case FieldCode.Interface:
        if (!isInterfaceBytes(bytes, offset, length)) return WireFault.Interface;
        this.interfaceOffset = offset;
        this.interfaceLength = length;
        return beginsWith(bytes, offset, length, RESERVED_INTERFACE)
          ? WireFault.ReservedInterface
          : 0;
      case FieldCode.Member:
        this.memberOffset = offset;
        this.memberLength = length;
        return isMemberBytes(bytes, offset, length) ? 0 : WireFault.Member;
      case FieldCode.ErrorName:
        this.errorNameOffset = offset;
        this.errorNameLength = length;
        return isErrorNameBytes(bytes, offset, length) ? 0 : WireFault.ErrorName;
      case FieldCode.Destination:
        this.destinationOffset = offset;
        this.destinationLength = length;
        return isBusNameBytes(bytes, offset, length) ? 0 : WireFault.Destination;
      default:
        this.senderOffset = offset;
        this.senderLength = length;
        this.senderFieldStart = offset - 8;
        this.senderFieldEnd = offset + length + 1;
        return isBusNameBytes(bytes, offset, length) ? 0 : WireFault.Sender;
    }
  }
}

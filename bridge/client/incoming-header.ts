import type { Denial } from '#bridge/registry/denial.js';
import { MessageHeader } from '#bridge/wire/header.js';
import type { ParsedSignature } from '#bridge/wire/signature.js';
import { EndianMark, FieldCode } from '#bridge/wire/types.js';
import type { OutgoingHeader } from './outgoing-header.js';

const FIXED_HEADER_BYTES = 16;
const REPLY_SERIAL_PROLOGUE = FieldCode.ReplySerial | (1 << 8) | (0x75 /* u */ << 16);
const NO_WORDS = new Int32Array(0);

/** What the headers of many messages have in common: all except serials and the length of the body. */
export class IncomingHeader {
  readonly littleEndian: boolean;
  readonly type: number;
  readonly flags: number;
  readonly path: string | undefined;
  readonly interface: string | undefined;
  readonly member: string | undefined;
  readonly errorName: string | undefined;
  readonly sender: string | undefined;
  readonly destination: string | undefined;
  readonly signature: ParsedSignature;
  readonly unixFds: number;
  /** where the body begins */
  readonly length: number;
  /** for a header that can be recognised: the words of its fields, without a leading REPLY_SERIAL */
  readonly words: Int32Array;
  /** process whose claim to be `sender` was verified; -1: none yet */
  rightfulOrigin = -1;
  /** why the policy refuses messages with this header (`Senders.refusal`), for which process, and as of when */
  refusal: Denial | undefined = undefined;
  judgedOrigin = -1;
  judgedVersion = -1;
  /** for a call: the header of the last reply to such a call */
  replyHeader: OutgoingHeader | null = null;

  constructor(header: MessageHeader, words: Int32Array) {
    const { bytes } = header;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const text = (offset: number, length: number): string | undefined =>
      length === 0 ? undefined : buffer.toString('latin1', offset, offset + length);
    this.littleEndian = header.littleEndian;
    this.type = header.type;
    this.flags = header.flags;
    this.path = text(header.pathOffset, header.pathLength);
    this.interface = text(header.interfaceOffset, header.interfaceLength);
    this.member = text(header.memberOffset, header.memberLength);
    this.errorName = text(header.errorNameOffset, header.errorNameLength);
    this.sender = text(header.senderOffset, header.senderLength);
    this.destination = text(header.destinationOffset, header.destinationLength);
    this.signature = header.signature;
    this.unixFds = header.unixFds;
    this.length = header.bodyStart;
    this.words = words;
  }
}

/** A power of two. */
const SLOT_COUNT = 512;

/**
 * Reads headers. One that equals an earlier one, byte for byte, is recognised instead of being read and checked
 * again: a conversation consists of few kinds of messages. Each hash has one slot, so that no peer can make this
 * grow.
 */
export class IncomingHeaders {
  serial = 0;
  /** why `read` returned undefined: a WireFault */
  fault = 0;
  private readonly slots: (IncomingHeader | undefined)[] = Array.from(
    { length: SLOT_COUNT },
    () => undefined,
  );
  private readonly header = new MessageHeader();
  private last: IncomingHeader | undefined;

  /** The header of the message that is `bytes` up to `length`, which begins where `bytes` does. */
  // hot
  read(bytes: Uint8Array, view: DataView, length: number): IncomingHeader | undefined {
    if (length < FIXED_HEADER_BYTES || bytes[0] !== EndianMark.Little) {
      return this.scan(bytes, view, length, NO_WORDS);
    }
    const fieldsBytes = view.getUint32(12, true);
    const bodyStart = FIXED_HEADER_BYTES + ((fieldsBytes + 7) & -8);
    const isWhole = fieldsBytes < length && bodyStart + view.getUint32(4, true) === length;
    this.serial = view.getUint32(8, true);
    if (!isWhole || this.serial === 0) return this.scan(bytes, view, length, NO_WORDS);
    let start = FIXED_HEADER_BYTES;
    if (fieldsBytes >= 8 && view.getInt32(FIXED_HEADER_BYTES, true) === REPLY_SERIAL_PROLOGUE) {
      if (view.getInt32(FIXED_HEADER_BYTES + 4, true) === 0)
        return this.scan(bytes, view, length, NO_WORDS);
      start += 8;
    }
    const { last } = this;
    if (last !== undefined && isSame(last.words, view, start, bodyStart)) return last;
    return this.find(bytes, view, length, start, bodyStart);
  }

  // hot
  private find(
    bytes: Uint8Array,
    view: DataView,
    length: number,
    start: number,
    bodyStart: number,
  ): IncomingHeader | undefined {
    let hash = view.getInt32(0, true) ^ view.getInt32(12, true);
    for (let at = start; at < bodyStart; at += 4)
      hash = Math.imul(hash ^ view.getInt32(at, true), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (SLOT_COUNT - 1);
    let found = this.slots[slot];
    if (found === undefined || !isSame(found.words, view, start, bodyStart)) {
      found = this.scan(bytes, view, length, wordsOf(view, start, bodyStart));
      if (found === undefined) return undefined;
      this.slots[slot] = found;
    }
    this.last = found;
    return found;
  }

  private scan(
    bytes: Uint8Array,
    view: DataView,
    length: number,
    words: Int32Array,
  ): IncomingHeader | undefined {
    const { header } = this;
    this.fault = header.scan(bytes, view, 0, length);
    if (this.fault !== 0) return undefined;
    this.serial = header.serial;
    return new IncomingHeader(header, words);
  }
}

/** The first and the fourth word of the header, then those of the fields. */
function wordsOf(view: DataView, start: number, bodyStart: number): Int32Array {
  const words = new Int32Array(2 + (bodyStart - start) / 4);
  words[0] = view.getInt32(0, true);
  words[1] = view.getInt32(12, true);
  for (let i = 2; i < words.length; i++) words[i] = view.getInt32(start + (i - 2) * 4, true);
  return words;
}

// hot
function isSame(words: Int32Array, view: DataView, start: number, bodyStart: number): boolean {
  const count = words.length;
  if (count !== 2 + (bodyStart - start) / 4) return false;
  if (words[0] !== view.getInt32(0, true) || words[1] !== view.getInt32(12, true)) return false;
  /* fields begin and end at multiples of eight bytes */
  for (let i = 2, at = start; i < count; i += 2, at += 8) {
    const isPair =
      words[i] === view.getInt32(at, true) && words[i + 1] === view.getInt32(at + 4, true);
    if (!isPair) return false;
  }
  return true;
}

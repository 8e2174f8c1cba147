import { toUSVString } from 'node:util';
import { WireError, WireFault } from './faults.js';
import { MESSAGE_MAX_BYTES } from './limits.js';

const INITIAL_BYTES = 256;
/** Larger memory, which a long message has needed, is not used again. */
const KEPT_MAX_BYTES = 1 << 20;
/** Longer text is measured first: three bytes for each character would be too much memory. */
const MEASURED_MIN_LENGTH = 4096;
/** Most text is short ASCII, which is written here: a call into the runtime costs more. */
const SHORT_TEXT_LENGTH = 64;

/**
 * Appends marshalled words to memory that grows, up to the size of the longest message. Alignment
 * counts from the first byte.
 */
export class ByteWriter {
  littleEndian: boolean;
  bytes: Uint8Array<ArrayBuffer>;
  position = 0;
  /** of what came before `position`, the bytes that are not in `bytes`, but in memory of the program */
  elsewhere = 0;
  /** of the same memory */
  view: DataView;
  /** the same memory, once a text needs it */
  private buffer: Buffer | null = null;
  private readonly initialBytes: number;
  private readonly keptMaxBytes: number;
  /** the length of `bytes`, which takes longer to ask for */
  private size: number;

  constructor(littleEndian: boolean, initialBytes = INITIAL_BYTES, keptMaxBytes = KEPT_MAX_BYTES) {
    this.littleEndian = littleEndian;
    this.initialBytes = initialBytes;
    this.keptMaxBytes = keptMaxBytes;
    this.size = initialBytes;
    this.bytes = new Uint8Array(initialBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Starts again, in the same memory. */
  // hot
  restart(): void {
    if (this.size > this.keptMaxBytes) this.use(new Uint8Array(this.initialBytes));
    this.position = 0;
    this.elsewhere = 0;
  }

  /** What has been written. Valid until the next write. */
  written(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.position);
  }

  /** What has been written, in memory that the writer does not use again. */
  take(): Uint8Array<ArrayBuffer> {
    if (this.size <= this.keptMaxBytes) return this.bytes.slice(0, this.position);
    const written = this.written();
    this.use(new Uint8Array(this.initialBytes));
    return written;
  }

  // hot
  align(boundary: number): void {
    if (((this.position + this.elsewhere) & (boundary - 1)) !== 0) this.pad(boundary);
  }

  // hot
  private pad(boundary: number): void {
    const { elsewhere, position: start } = this;
    const end = ((start + elsewhere + boundary - 1) & -boundary) - elsewhere;
    if (end > this.size) this.grow(end);
    const { bytes } = this;
    for (let i = start; i < end; i++) bytes[i] = 0;
    this.position = end;
  }

  // hot
  uint8(value: number): void {
    if (this.position === this.size) this.grow(this.position + 1);
    this.bytes[this.position++] = value;
  }

  /** Two's complement: takes signed values, too, as do the other words. */
  // hot
  uint16(value: number): void {
    const at = this.word(2);
    this.view.setUint16(at, value, this.littleEndian);
  }

  // hot
  uint32(value: number): void {
    const at = this.word(4);
    this.view.setUint32(at, value, this.littleEndian);
  }

  uint64(value: bigint): void {
    const at = this.word(8);
    this.view.setBigUint64(at, value, this.littleEndian);
  }

  // hot
  double(value: number): void {
    const at = this.word(8);
    this.view.setFloat64(at, value, this.littleEndian);
  }

  /**
   * Length word, text, NUL: strings and object paths. False for text that D-Bus does not have, with U+0000 or a lone
   * surrogate: then nothing was written.
   */
  // hot
  string(text: string): boolean {
    this.align(4);
    const lengthAt = this.position;
    this.position = lengthAt + 4;
    if (!this.text(text)) {
      this.position = lengthAt;
      return false;
    }
    this.view.setUint32(lengthAt, this.position - lengthAt - 4, this.littleEndian);
    this.uint8(0);
    return true;
  }

  /** Length byte, ASCII text of at most 255 characters, NUL. */
  signature(text: string): void {
    this.uint8(text.length);
    this.text(text);
    this.uint8(0);
  }

  // hot
  copy(bytes: Uint8Array): void {
    const end = this.position + bytes.length;
    if (end > this.size) this.grow(end);
    /* V8 would look a method of `this.bytes` up in its runtime, for every call */
    Uint8Array.prototype.set.call(this.bytes, bytes, this.position);
    this.position = end;
  }

  /** Overwrites the word at `position`, which must be aligned. */
  // hot
  patchUint32(position: number, value: number): void {
    this.view.setUint32(position, value, this.littleEndian);
  }

  // hot
  private text(text: string): boolean {
    const { length } = text;
    if (length > SHORT_TEXT_LENGTH) return this.anyText(text);
    const { position } = this;
    if (position + length > this.size) this.grow(position + length);
    const { bytes } = this;
    for (let i = 0; i < length; i++) {
      const character = text.charCodeAt(i);
      if (character >= 0x80 || character === 0) return this.anyText(text);
      bytes[position + i] = character;
    }
    this.position = position + length;
    return true;
  }

  private anyText(text: string): boolean {
    if (text.includes('\0') || toUSVString(text) !== text) return false;
    const { length } = text;
    const most = length < MEASURED_MIN_LENGTH ? length * 3 : Buffer.byteLength(text, 'utf8');
    if (this.position + most > this.size) this.grow(this.position + most);
    this.buffer ??= Buffer.from(this.bytes.buffer);
    this.position += this.buffer.write(text, this.position, 'utf8');
    return true;
  }

  /** Makes room for a word, padding before it included. Returns where it begins. */
  // hot
  private word(size: number): number {
    this.align(size);
    const at = this.position;
    const end = at + size;
    if (end > this.size) this.grow(end);
    this.position = end;
    return at;
  }

  private grow(needed: number): void {
    if (needed > MESSAGE_MAX_BYTES) throw new WireError(WireFault.MessageTooLong);
    const grown = new Uint8Array(Math.max(needed, Math.min(this.size * 2, MESSAGE_MAX_BYTES)));
    grown.set(this.bytes);
    this.use(grown);
  }

  private use(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.size = bytes.length;
    this.view = new DataView(bytes.buffer);
    this.buffer = null;
  }
}

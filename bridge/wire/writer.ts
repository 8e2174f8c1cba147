import { WireError, WireFault } from './faults.js';
import { MESSAGE_MAX_BYTES } from './limits.js';

const INITIAL_BYTES = 256;
const SHORT_TEXT_LENGTH = 64;

/**
 * Appends marshalled words to memory that grows, up to the size of the longest message. Alignment
 * counts from the first byte.
 */
export class ByteWriter {
  readonly littleEndian: boolean;
  position = 0;
  /* Zero from the start, and never written twice: padding and NULs need no stores. */
  private buffer = new Uint8Array(INITIAL_BYTES);
  private view = new DataView(this.buffer.buffer);

  constructor(littleEndian: boolean) {
    this.littleEndian = littleEndian;
  }

  /** What has been written. Valid until the next write. */
  written(): Uint8Array {
    return this.buffer.subarray(0, this.position);
  }

  align(boundary: number): void {
    this.reserve(8);
    this.position = (this.position + boundary - 1) & -boundary;
  }

  uint8(value: number): void {
    this.reserve(1);
    this.buffer[this.position++] = value;
  }

  /** Two's complement: takes signed values, too, as do the other words. */
  uint16(value: number): void {
    this.align(2);
    this.reserve(2);
    this.view.setUint16(this.position, value, this.littleEndian);
    this.position += 2;
  }

  uint32(value: number): void {
    this.align(4);
    this.reserve(4);
    this.view.setUint32(this.position, value, this.littleEndian);
    this.position += 4;
  }

  uint64(value: bigint): void {
    this.align(8);
    this.reserve(8);
    this.view.setBigUint64(this.position, value, this.littleEndian);
    this.position += 8;
  }

  double(value: number): void {
    this.align(8);
    this.reserve(8);
    this.view.setFloat64(this.position, value, this.littleEndian);
    this.position += 8;
  }

  /** Length word, text, NUL: strings and object paths. */
  string(text: string): void {
    this.uint32(0);
    const start = this.position;
    this.text(text);
    this.patchUint32(start - 4, this.position - start);
    this.uint8(0);
  }

  /** Length byte, ASCII text of at most 255 characters, NUL. */
  signature(text: string): void {
    this.uint8(text.length);
    this.text(text);
    this.uint8(0);
  }

  bytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** Overwrites the word at `position`, which must be aligned. */
  patchUint32(position: number, value: number): void {
    this.view.setUint32(position, value, this.littleEndian);
  }

  /** Most text is short ASCII, which is written here: a call into the runtime costs more. */
  private text(text: string): void {
    if (text.length > SHORT_TEXT_LENGTH) return this.bytes(Buffer.from(text, 'utf8'));
    this.reserve(text.length);
    for (let i = 0; i < text.length; i++) {
      const character = text.charCodeAt(i);
      if (character >= 0x80) return this.bytes(Buffer.from(text, 'utf8'));
      this.buffer[this.position + i] = character;
    }
    this.position += text.length;
  }

  private reserve(length: number): void {
    const needed = this.position + length;
    if (needed <= this.buffer.length) return;
    if (needed > MESSAGE_MAX_BYTES) throw new WireError(WireFault.MessageTooLong);
    const doubled = Math.min(this.buffer.length * 2, MESSAGE_MAX_BYTES);
    const grown = new Uint8Array(Math.max(needed, doubled));
    grown.set(this.buffer);
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }
}

import { addressOf, allocateBytes } from '#core/linux/index.js';

/** The most memory that is kept for later large messages. */
const SPARE_MAX_BYTES = 32 * 1024 * 1024;

/** Memory for one large message, shared by the inflow that fills it and all outboxes that send it on. */
export class LargeBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;
  references = 1;

  constructor(lengthBytes: number) {
    const { bytes, address } = allocateBytes(lengthBytes);
    this.bytes = bytes;
    this.address = address;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

/**
 * Memory of large messages, reused when the last outbox has sent it: fresh memory costs a page fault for every
 * 4 KiB, which takes longer than copying them.
 */
export class LargeBuffers {
  private readonly inUse = new Map<Uint8Array, LargeBuffer>();
  private readonly spare: LargeBuffer[] = [];
  private spareBytes = 0;

  /** Memory for at least `lengthBytes`, with one reference. */
  take(lengthBytes: number): LargeBuffer {
    const i = this.spare.findIndex(
      ({ bytes }) => bytes.length >= lengthBytes && bytes.length <= lengthBytes * 4,
    );
    const [spare] = i < 0 ? [] : this.spare.splice(i, 1);
    if (spare !== undefined) this.spareBytes -= spare.bytes.length;
    const buffer = spare ?? new LargeBuffer(lengthBytes);
    buffer.references = 1;
    this.inUse.set(buffer.bytes, buffer);
    return buffer;
  }

  /** Adds a reader of `bytes`; returns their address. Memory from elsewhere is kept alive by its readers. */
  retain(bytes: Uint8Array): number {
    const buffer = this.inUse.get(bytes);
    if (buffer === undefined) return addressOf(bytes);
    buffer.references++;
    return buffer.address;
  }

  /** Removes a reader of `bytes`. */
  release(bytes: Uint8Array): void {
    const buffer = this.inUse.get(bytes);
    if (buffer === undefined) return;
    buffer.references--;
    if (buffer.references > 0) return;
    this.inUse.delete(bytes);
    if (this.spareBytes + bytes.length > SPARE_MAX_BYTES) return;
    this.spare.push(buffer);
    this.spareBytes += bytes.length;
  }

  /** Keeps no memory for later messages. */
  dropSpare(): void {
    this.spare.length = 0;
    this.spareBytes = 0;
  }
}

import { MapConvention } from '#bridge/wire/convention.js';
import { ARRAY_MAX_BYTES } from '#bridge/wire/limits.js';
import type { ParsedSignature } from '#bridge/wire/signature.js';
import { Unmarshaller } from '#bridge/wire/unmarshal.js';
import { handleIndex } from './object-protocol.js';

/** Handles and descriptors that came with a message, for the values of its body that refer to them. */
export interface MessageReferences {
  /** undefined when the message has no such handle */
  capability(index: number): unknown;
  /** @throws Error when the message has no such descriptor */
  descriptor(index: number): number;
}

/** Shorter arrays are cheap to copy into memory of their own. */
const VIEW_MIN_BYTES = 16_384;
/** No array is as long as this. */
const NEVER = ARRAY_MAX_BYTES + 1;

/** What a program that uses the native API gets: `o` may be a capability, `h` is an open descriptor. */
class NativeReadConvention extends MapConvention {
  /** from which length on a byte array is a view of the message's memory */
  viewMinBytes = NEVER;
  /** of the message that is read */
  references: MessageReferences | null = null;

  override objectPath(path: string): unknown {
    if (this.references === null) return path;
    const index = handleIndex(path);
    return (index < 0 ? undefined : this.references.capability(index)) ?? path;
  }

  override descriptor(index: number): number {
    if (this.references !== null) return this.references.descriptor(index);
    throw new Error('the message refers to a file descriptor that did not arrive with it');
  }

  override bytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    if (length < this.viewMinBytes) return super.bytes(bytes, start, end);
    return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
  }
}

/** Reads bodies from memory that the next message overwrites: no value of a result refers to it, unless it is owned. */
export class BodyReader {
  private readonly convention = new NativeReadConvention();
  private readonly unmarshaller = new Unmarshaller(this.convention);

  /**
   * The values of a body. `references` is null when the message carried nothing. `isOwned`: the memory is the message's
   * alone, and a byte array that is most of it may be a view of it.
   *
   * @throws WireError, and whatever `references` throws
   */
  // hot
  read(
    signature: ParsedSignature,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    littleEndian: boolean,
    references: MessageReferences | null,
    isOwned = false,
  ): unknown[] {
    const { types } = signature;
    if (start === end && types.length === 0) return [];
    const viewMinBytes = isOwned ? Math.max(VIEW_MIN_BYTES, end >>> 1) : NEVER;
    const { convention, unmarshaller } = this;
    convention.viewMinBytes = viewMinBytes;
    if (references === null) {
      return unmarshaller.read(types, bytes, view, start, end, littleEndian, false);
    }
    convention.references = references;
    try {
      return unmarshaller.read(types, bytes, view, start, end, littleEndian, true);
    } finally {
      convention.references = null; // it would keep capabilities that the program drops
    }
  }

  /** Drops the reference to the memory of the last message. */
  forgetBytes(): void {
    this.unmarshaller.forgetBytes();
  }
}

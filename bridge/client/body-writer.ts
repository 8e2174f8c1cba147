import type { Handle, Message } from '#core/index.js';
import { WriteConvention } from '#bridge/wire/convention.js';
import { Marshaller } from '#bridge/wire/marshal.js';
import type { CompleteType } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { ByteWriter } from '#bridge/wire/writer.js';
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
/** Byte arrays from here on are not copied, but sent from where they are. */
const OWN_PIECE_MIN_BYTES = 1024;
/** Most such pieces in one body: with a header and the pieces between them, they fit into a message. */
const OWN_PIECES_MAX = 3;

/** What a program may give that uses the native API: a handle for `o`, an open descriptor for `h`. */
class NativeWriteConvention extends WriteConvention {
  readonly descriptors: number[] = [];
  private message: Message | null = null;
  /** end of what is a piece of the message already */
  private pieceEnd = 0;
  private ownPieces = 0;

  // hot
  begin(message: Message): void {
    if (this.message !== message) this.message = message;
    this.pieceEnd = 0;
    this.ownPieces = 0;
  }

  /** Makes what was written a piece of the message. */
  // hot
  addPiece({ bytes, position }: ByteWriter): void {
    const { pieceEnd } = this;
    if (position > pieceEnd) this.message!.addPiece(bytes, pieceEnd, position - pieceEnd);
    this.pieceEnd = position;
  }

  override text({ code }: CompleteType, value: unknown): string | undefined {
    if (code !== TypeCode.ObjectPath || !isHandleReference(value)) return undefined;
    const { message } = this;
    message!.addTransfer(value.handleToSend());
    return handlePath(message!.transferCount - 1);
  }

  override descriptor(value: unknown): number | undefined {
    const isDescriptor = typeof value === 'number' && Number.isInteger(value) && value >= 0;
    return isDescriptor ? this.descriptors.push(value) - 1 : undefined;
  }

  // hot
  override bytes(writer: ByteWriter, value: Uint8Array, depth: number): void {
    const { length } = value;
    if (depth > 0 || length < OWN_PIECE_MIN_BYTES || this.ownPieces === OWN_PIECES_MAX) {
      return writer.copy(value);
    }
    this.addPiece(writer);
    this.message!.addPiece(value, 0, length);
    writer.elsewhere += length;
    this.ownPieces++;
  }

  override wanted(type: CompleteType): string {
    return type.code === TypeCode.UnixFd ? 'an open file descriptor' : super.wanted(type);
  }
}

/**
 * Writes the bodies of messages, one at a time, into memory that is used again: the core has copied a message when
 * `send` returns.
 */
export class BodyWriter {
  private readonly convention = new NativeWriteConvention();
  private readonly writer = new ByteWriter(true, SCRATCH_BYTES);
  private readonly marshaller = new Marshaller(this.writer, this.convention);
  /** the values of type `h` in the last body, in order */
  readonly descriptors = this.convention.descriptors;

  /** Adds a body to `message`, as pieces and transfers. @throws WireError, ClientError */
  // hot
  write(signature: string, values: readonly unknown[], message: Message): void {
    if (this.descriptors.length > 0) this.descriptors.length = 0;
    if (signature === '' && values.length === 0) return;
    const { writer, convention } = this;
    writer.restart();
    convention.begin(message);
    this.marshaller.arguments(signature, values);
    convention.addPiece(writer);
  }
}

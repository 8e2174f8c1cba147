import type { Message } from '#core/index.js';
import { wireFaultText } from '#bridge/wire/faults.js';
import { BodyReader } from './body-reader.js';
import { IncomingHeaders, type IncomingHeader } from './incoming-header.js';
import type { Member } from './member.js';
import { ReceivedReferences } from './received-references.js';

/** Reads D-Bus messages as they arrive, inside the transaction that brings them. */
export class MessageReader {
  /** of the message that was read last */
  header!: IncomingHeader;
  serial = 0;
  body: unknown[] = [];
  /** what came with it beside its bytes; null for nothing */
  references: ReceivedReferences | null = null;
  /** what is wrong with it, when `read` returned false */
  fault = '';
  private readonly member: Member;
  private readonly headers = new IncomingHeaders();
  private readonly bodies = new BodyReader();
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.bytes.buffer);

  constructor(member: Member) {
    this.member = member;
  }

  /** Its first `handleCount` handles are arguments. */
  // hot
  read(message: Message, handleCount: number): boolean {
    const length = message.lengthBytes;
    const isWhole = message.pieceCount === 1 && message.offsets[0] === 0;
    const bytes = isWhole ? message.pieces[0] : message.copyBytes();
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const header = this.headers.read(bytes, this.view, length);
    const carries = handleCount > 0 || message.descriptors !== null;
    const references = carries ? new ReceivedReferences(this.member, message, handleCount) : null;
    this.references = references;
    if (header === undefined) {
      this.fault = wireFaultText(this.headers.fault);
      return false;
    }
    this.header = header;
    this.serial = this.headers.serial;
    try {
      const { signature, littleEndian } = header;
      this.body = this.bodies.read(
        signature,
        bytes,
        this.view,
        header.length,
        length,
        littleEndian,
        references,
      );
    } catch (error) {
      this.fault = error instanceof Error ? error.message : String(error);
      references?.closeDescriptors();
      return false;
    }
    return true;
  }
}

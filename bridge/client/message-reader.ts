import type { ArrivedMessage } from './contexts.js';
import { wireFaultText } from '#bridge/wire/faults.js';
import { BodyReader } from './body-reader.js';
import { IncomingHeaders, type IncomingHeader } from './incoming-header.js';
import type { Member } from './member.js';
import { ReceivedReferences } from './received-references.js';

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** Reads D-Bus messages as they arrive, inside the transaction that brings them. */
export class MessageReader {
  /** of the message that was read last */
  header!: IncomingHeader;
  serial = 0;
  body: unknown[] = [];
  /** handles and descriptors that came with it; null for none */
  references: ReceivedReferences | null = null;
  /** what is wrong with it, when `read` returned false */
  fault = '';
  private readonly member: Member;
  private readonly headers = new IncomingHeaders();
  private readonly bodies = new BodyReader();
  private bytes: Uint8Array = NO_BYTES;
  private view: DataView = NO_VIEW;

  constructor(member: Member) {
    this.member = member;
  }

  /** Its first `handleCount` handles are arguments. */
  // hot
  read(message: ArrivedMessage, handleCount: number): boolean {
    const length = message.lengthBytes;
    const whole = message.wholePiece;
    const isOwned = message.isOwned || whole === null;
    const bytes = whole ?? message.copyBytes();
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
        isOwned,
      );
    } catch (error) {
      this.fault = error instanceof Error ? error.message : String(error);
      references?.closeDescriptors();
      return false;
    } finally {
      if (isOwned) this.forgetBytes();
    }
    return true;
  }

  /** Drops memory that no later message uses: only the values that were read may keep it. */
  private forgetBytes(): void {
    this.bytes = NO_BYTES;
    this.view = NO_VIEW;
    this.bodies.forgetBytes();
  }
}

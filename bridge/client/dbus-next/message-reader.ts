import type { ArrivedMessage } from '#bridge/client/contexts.js';
import { IncomingHeaders } from '#bridge/client/incoming-header.js';
import type { Member } from '#bridge/client/member.js';
import { MessageReader } from '#bridge/client/message-reader.js';
import { ReceivedReferences } from '#bridge/client/received-references.js';
import { wireFaultText } from '#bridge/wire/faults.js';
import { MessageType } from '#bridge/wire/types.js';
import { ValueReader } from './value-reader.js';

/** Reads messages as the native API does, except that their values follow dbus-next's conventions. */
export class DbusNextReader extends MessageReader {
  /** false: messages with descriptors are refused */
  takesDescriptors = false;
  private readonly home: Member;
  private readonly knownHeaders = new IncomingHeaders();
  private readonly values = new ValueReader();
  private current: Uint8Array = new Uint8Array(0);
  private currentView: DataView = new DataView(this.current.buffer);

  constructor(member: Member) {
    super(member);
    this.home = member;
  }

  override read(message: ArrivedMessage, handleCount: number): boolean {
    const length = message.lengthBytes;
    const bytes = message.wholePiece ?? message.copyBytes();
    if (bytes !== this.current) {
      this.current = bytes;
      this.currentView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const header = this.knownHeaders.read(bytes, this.currentView, length);
    const carries = handleCount > 0 || message.descriptors !== null;
    this.references = carries ? new ReceivedReferences(this.home, message, handleCount) : null;
    if (header === undefined) {
      this.fault = wireFaultText(this.knownHeaders.fault);
      return false;
    }
    this.header = header;
    this.serial = this.knownHeaders.serial;
    return this.readBody(length);
  }

  private readBody(end: number): boolean {
    const { header, references } = this;
    const takes = references !== null && this.takesDescriptors;
    try {
      this.body = this.values.read(
        header.signature,
        this.current,
        this.currentView,
        header.length,
        end,
        header.littleEndian,
        takes ? (index) => references.descriptor(index) : undefined,
      );
    } catch (error) {
      this.fault = error instanceof Error ? error.message : String(error);
      references?.closeDescriptors();
      return false;
    }
    // As in dbus-next, the descriptors of a signal belong to the program, too, which closes them.
    if (header.type === MessageType.Signal) this.references = null;
    return true;
  }
}

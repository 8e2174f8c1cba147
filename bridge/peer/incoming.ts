import type { Message } from '#core/index.js';
import { Envelope, uniqueNumber } from '#bridge/registry/envelope.js';
import { EndianMark } from '#bridge/wire/types.js';
import type { Facet } from '#policy/index.js';
import { IncomingFault } from './incoming-check.js';

/** Whether these bytes are a D-Bus message; otherwise they are a control message (control-message.ts). */
// hot
export function isDBusMessage(message: Message): boolean {
  if (message.pieceCount === 0 || message.lengthBytes < 16) return false;
  return beginsDBusMessage(message.firstByte);
}

/** Whether a message that begins with this byte is D-Bus, and not a control message. */
// hot
export function beginsDBusMessage(firstByte: number): boolean {
  return firstByte === EndianMark.Little || firstByte === EndianMark.Big;
}

/** The last message from another process that has arrived in this thread, as it was read. */
export class Incoming {
  /** its header, and the number of the sender that it names; -1: it cannot be read, or names none */
  readonly envelope = new Envelope();
  /** why it was rejected */
  fault: IncomingFault = IncomingFault.None;
  /** the facet that denies it; null: none does */
  denying: Facet | null = null;
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.bytes.buffer);

  /** Reads the header where it lies: such a message has one piece. False: it is malformed. */
  // hot
  scan(message: Message): boolean {
    const { envelope } = this;
    const { header } = envelope;
    const bytes = message.pieces[0];
    const start = message.offsets[0];
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.denying = null;
    envelope.replyFacet = null;
    envelope.senderNumber = -1;
    if (header.scan(bytes, this.view, start, start + message.lengthBytes) !== 0) return false;
    envelope.senderNumber = uniqueNumber(bytes, header.senderOffset, header.senderLength);
    return true;
  }
}

import type { Message } from '#core/index.js';
import { isDBusMessage } from '#bridge/host/foreign-messages.js';
import { checkIncoming, HandleRule, IncomingFault } from '#bridge/peer/incoming-check.js';
import type { Directory } from '#bridge/registry/directory.js';
import { Envelope, uniqueNumber } from '#bridge/registry/envelope.js';

/** Reads and checks messages of native peers, which nobody has checked before. */
export class NativeMessages {
  private readonly envelope = new Envelope();
  private readonly directory: () => Directory;

  constructor(directory: () => Directory) {
    this.directory = directory;
  }

  /**
   * Reads a message from another process, from a copy of its bytes. `awaitedSerial` is that of the call
   * which it answers, or `NO_CALL`. Null: the message is refused.
   */
  read(message: Message, awaitedSerial: number): Envelope | null {
    if (message.origin === 0 || !isDBusMessage(message)) return null;
    const { envelope } = this;
    const { header } = envelope;
    const bytes = message.copyBytes();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (header.scan(bytes, view, 0, bytes.length) !== 0) return null;
    envelope.senderNumber = uniqueNumber(bytes, header.senderOffset, header.senderLength);
    envelope.replyFacet = null;
    const sender = this.directory().numbered.get(envelope.senderNumber);
    const place = {
      awaitedSerial,
      isSenderImplied: false,
      handles: HandleRule.LastOwn,
      receiver: -1,
    };
    const fault = checkIncoming(header, message, sender, place);
    return fault === IncomingFault.None ? envelope : null;
  }
}

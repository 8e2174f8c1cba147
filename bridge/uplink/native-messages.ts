import type { Message } from '#core/index.js';
import { isDBusMessage } from '#bridge/host/foreign-messages.js';
import type { Directory } from '#bridge/registry/directory.js';
import { Envelope, uniqueNumber } from '#bridge/registry/envelope.js';
import { validateBody } from '#bridge/wire/body.js';

/** Reads what native peers send, of which nobody has looked at anything yet. */
export class NativeMessages {
  private readonly envelope = new Envelope();
  private readonly directory: () => Directory;

  constructor(directory: () => Directory) {
    this.directory = directory;
  }

  /**
   * The reading of a message from another process, of bytes that nobody writes to any more. Null: it is no D-Bus
   * message, or not its sender's, whom an answer reaches.
   */
  read(message: Message): Envelope | null {
    if (message.origin === 0 || !isDBusMessage(message) || !message.isLastOwn) return null;
    const { envelope } = this;
    const { header } = envelope;
    const bytes = message.copyBytes();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (header.scan(bytes, view, 0, bytes.length) !== 0 || validateBody(header) !== 0) return null;
    if (header.unixFds !== (message.descriptors?.count ?? 0)) return null;
    envelope.senderNumber = uniqueNumber(bytes, header.senderOffset, header.senderLength);
    envelope.replyFacet = null;
    const sender = this.directory().numbered.get(envelope.senderNumber);
    return sender?.process === message.origin ? envelope : null;
  }
}

import { Message, type DescriptorSet } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Directory } from '#bridge/registry/directory.js';
import { Envelope } from '#bridge/registry/envelope.js';
import type { HeaderRewriter } from './header-rewriter.js';
import type { StandInNodeContext } from './stand-in.js';

/** A message that a stand-in sends. */
type StandInMessage = Message<Envelope, StandInNodeContext>;

/** Makes messages of the other bus into messages of the bridge. */
export class Composer {
  private readonly rewriter: HeaderRewriter;
  private readonly directory: () => Directory;
  private readonly message: StandInMessage = new Message();
  private readonly shown = new Envelope();

  constructor(rewriter: HeaderRewriter, directory: () => Directory) {
    this.rewriter = rewriter;
    this.directory = directory;
  }

  /** The message as a client of the bridge is to see it; valid until the next call. Zero and null keep a field. */
  compose(
    envelope: Envelope,
    descriptors: DescriptorSet | null,
    replySerial: number,
    destination: Uint8Array | null,
    sender: Uint8Array,
  ): StandInMessage {
    const { header } = envelope;
    const message = this.message.clear();
    this.rewriter.rewrite(message, header, header.serial, replySerial, destination, sender);
    message.note = envelope;
    if (this.directory().isObserved) this.readAgain(message, envelope);
    message.descriptors = descriptors;
    return message;
  }

  /** Passes a composed message to the monitors. */
  show(message: StandInMessage, sender: Connection | undefined): void {
    const directory = this.directory();
    if (directory.isObserved) directory.capture(message.note!, message, sender);
  }

  /** Match rules of monitors are compared with this header, so it must be that of the rewritten message. */
  private readAgain(message: StandInMessage, { senderNumber, replyFacet }: Envelope): void {
    const bytes = message.copyBytes();
    const { shown } = this;
    shown.senderNumber = senderNumber;
    shown.replyFacet = replyFacet;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    shown.header.scan(bytes, view, 0, bytes.length);
    message.clear().addPiece(bytes, 0, bytes.length);
    message.note = shown;
  }
}

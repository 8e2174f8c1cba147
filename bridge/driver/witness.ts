import { Message } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME, type Directory } from '#bridge/registry/directory.js';
import { DRIVER_NUMBER, Envelope } from '#bridge/registry/envelope.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { Serials } from '#bridge/wire/serials.js';
import { describeRefusal, type Facet } from '#policy/index.js';

import { ErrorName } from './driver-error.js';
import { errorMessage } from './messages.js';

/** Shows monitors what the bus itself sends, or would have sent, outside the driver. */
export class Witness {
  private readonly directory: () => Directory;
  private readonly message = new Message();
  private readonly envelope = new Envelope();
  private readonly serials = new Serials();

  constructor(directory: () => Directory) {
    this.directory = directory;
    this.envelope.senderNumber = DRIVER_NUMBER;
  }

  /** Shows a message of the bus itself that a shim has made. */
  show(bytes: Uint8Array): void {
    const message = this.message.clear();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.envelope.header.scan(bytes, view, 0, bytes.length);
    message.note = this.envelope;
    message.addPiece(bytes, 0, bytes.length);
    this.directory().capture(this.envelope, message, undefined);
  }

  /**
   * Shows monitors, as an error to the sender, why a message was not delivered. The sender itself gets no error.
   */
  showRefusal({ serial }: MessageHeader, sender: Connection | undefined, facet: Facet): void {
    if (this.directory().monitors.count === 0) return;
    const to = sender?.uniqueName ?? DRIVER_NAME;
    const text = describeRefusal(facet);
    this.show(errorMessage(this.serials.next(), serial, to, ErrorName.AccessDenied, text));
  }
}

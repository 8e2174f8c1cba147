import type { DescriptorSet } from '#core/index.js';
import type { MessageHeader } from '#bridge/wire/header.js';

/** A message from the other bus that cannot be passed on yet. */
export class DelayedMessage {
  /** unique name on the other bus */
  readonly sender: string;
  private readonly bytes: Uint8Array;
  readonly descriptors: DescriptorSet | null;

  constructor(header: MessageHeader, sender: string, descriptors: DescriptorSet | null) {
    this.sender = sender;
    this.bytes = header.bytes.slice(header.start, header.end);
    this.descriptors = descriptors?.retain() ?? null;
  }

  read(header: MessageHeader): void {
    const { bytes } = this;
    header.scan(
      bytes,
      new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      0,
      bytes.length,
    );
  }

  drop(): void {
    this.descriptors?.drop();
  }
}

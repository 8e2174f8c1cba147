import type { DescriptorSet } from '#core/index.js';
import type { MessageHeader } from '#bridge/wire/header.js';

import type { Lookup } from './node-contexts.js';

/** A message held until the registry has resolved its destination: its bytes, descriptors and lookup. */
export class HeldMessage {
  readonly lookup: Lookup;
  readonly descriptors: DescriptorSet | null;
  private readonly bytes: Uint8Array;

  constructor(header: MessageHeader, descriptors: DescriptorSet | null, lookup: Lookup) {
    const { start, end, fieldsEnd, littleEndian } = header;
    this.lookup = lookup;
    this.descriptors = descriptors?.retain() ?? null;
    this.bytes = header.bytes.slice(start, end);
    /* it may have been composed for monitors, which adds our SENDER field to this length */
    this.view.setUint32(12, fieldsEnd - start - 16, littleEndian);
  }

  /** Scans the message into `header` again; it was valid before. */
  restore(header: MessageHeader): void {
    header.scan(this.bytes, this.view, 0, this.bytes.length);
  }

  drop(): void {
    this.descriptors?.drop();
  }

  private get view(): DataView {
    const { buffer, byteOffset, byteLength } = this.bytes;
    return new DataView(buffer, byteOffset, byteLength);
  }
}

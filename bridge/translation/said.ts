import type { DescriptorSet } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { DecodedMessage } from '#bridge/wire/message.js';

/** A signal of a service, broadcast or sent to one native peer. */
export interface Said {
  readonly message: DecodedMessage;
  readonly descriptors: DescriptorSet | null;
  readonly sender: Connection;
  readonly bytes: Uint8Array;
}

import { WireFault } from './faults.js';
import type { MessageHeader } from './header.js';
import { validator } from './value.js';

/**
 * Checks the body of a message whose header has been scanned against its signature.
 * Returns 0 or a {@link WireFault}. Allocates nothing, unless a signature is seen for the first time.
 */
export function validateBody(header: MessageHeader): number {
  const types = header.signature.types;
  if (header.bodyLength === 0) return types.length === 0 ? 0 : WireFault.OutOfBounds;
  const { end } = header;
  validator.open(header.bytes, header.view, header.start, end, header.littleEndian);
  const position = validator.values(types, header.bodyStart, 0);
  if (position < 0) return -position;
  return position === end ? 0 : WireFault.TrailingBytes;
}

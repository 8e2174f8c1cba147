import { SECOND_SPACE, uniqueName, uniqueNumber } from '#bridge/registry/envelope.js';
import type { MessageHeader } from '#bridge/wire/header.js';

/** The message contains a unique name that does not exist on the other bus. */
export const NAME_CANNOT_CROSS = 'org.bus1.Error.NameCannotCross';

/** Unique names that begin with this exist on this bus only. */
export const SECOND_SPACE_PREFIX = Buffer.from(':2.');

const LENGTH_BYTES = 4;
const NAME_MAX_BYTES = uniqueName(SECOND_SPACE * 2 - 1).length;

/** The first string in the body that begins with `prefix` and is the unique name of a client. */
export function nameIn(
  { bytes, view, bodyStart, end, littleEndian }: MessageHeader,
  prefix: Uint8Array,
  isClient: (number: number) => boolean,
): string | undefined {
  /* indexOf finds an empty prefix at the end of the body, again and again */
  if (prefix.length === 0) return undefined;
  const body = Buffer.from(bytes.buffer, bytes.byteOffset + bodyStart, end - bodyStart);
  for (let at = body.indexOf(prefix); at >= 0; at = body.indexOf(prefix, at + 1)) {
    if (at < LENGTH_BYTES) continue;
    const length = view.getUint32(bodyStart + at - LENGTH_BYTES, littleEndian);
    if (length > NAME_MAX_BYTES || at + length >= body.length || body[at + length] !== 0) continue;
    const number = uniqueNumber(body, at, length);
    if (number >= 0 && isClient(number)) return uniqueName(number);
  }
  return undefined;
}

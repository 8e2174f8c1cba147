/** What a message can have that no bus accepts. */
export const DAMAGES = [
  'endian mark',
  'type zero',
  'version 2',
  'serial zero',
  'field of the wrong type',
  'first field missing',
  'padding not zero',
  'bytes behind the body',
  'body shorter than its signature',
  'descriptors that do not come',
  'larger than max_message_size',
] as const;
export type Damage = (typeof DAMAGES)[number];

/** More than any configuration of these tests allows. */
const TOO_LARGE_BYTES = 70_000;
const HEADER_BYTES = 16;

/** Damages a valid message in little-endian byte order; what comes out is complete, so that it is looked at at once. */
export function damaged(bytes: Uint8Array, damage: Damage): Uint8Array {
  const copy = new Uint8Array(bytes);
  switch (damage) {
    case 'endian mark':
      copy[0] = 0x58;
      return copy;
    case 'type zero':
      copy[1] = 0;
      return copy;
    case 'version 2':
      copy[3] = 2;
      return copy;
    case 'serial zero':
      copy.fill(0, 8, 12);
      return copy;
    case 'field of the wrong type':
      copy[HEADER_BYTES + 2] = 0x75;
      return copy;
    case 'first field missing':
      /* a code that the specification does not use */
      copy[HEADER_BYTES] = 42;
      return copy;
    case 'padding not zero':
      return withPadding(copy);
    case 'bytes behind the body':
      return withBody(copy, 4);
    case 'body shorter than its signature':
      return withField(copy, [8, 1, 0x67, 0, 2, 0x75, 0x75, 0]);
    case 'descriptors that do not come':
      return withField(copy, [9, 1, 0x75, 0, 1, 0, 0, 0]);
    case 'larger than max_message_size':
      return withBody(copy, TOO_LARGE_BYTES);
  }
}

function words(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** More bytes at the end than the signature accounts for. */
function withBody(bytes: Uint8Array, count: number): Uint8Array {
  const longer = new Uint8Array(bytes.length + count);
  longer.set(bytes);
  const view = words(longer);
  view.setUint32(4, view.getUint32(4, true) + count, true);
  return longer;
}

/** The first padding byte between two header fields; a message whose fields need none gets a wrong first field. */
function withPadding(bytes: Uint8Array): Uint8Array {
  const length = words(bytes).getUint32(HEADER_BYTES + 4, true);
  const endOfFirst = HEADER_BYTES + 8 + length + 1;
  if (endOfFirst % 8 === 0) bytes[HEADER_BYTES + 2] = 0x75;
  else bytes[endOfFirst] = 1;
  return bytes;
}

/** One more header field, of 8 bytes, at the end of the others. */
export function withField(bytes: Uint8Array, field: readonly number[]): Uint8Array {
  const fieldsBytes = words(bytes).getUint32(12, true);
  const fieldsEnd = HEADER_BYTES + fieldsBytes;
  const at = Math.ceil(fieldsEnd / 8) * 8;
  const body = bytes.slice(at);
  const longer = new Uint8Array(at + field.length + body.length);
  longer.set(bytes.slice(0, fieldsEnd));
  longer.set(field, at);
  longer.set(body, at + field.length);
  words(longer).setUint32(12, at + field.length - HEADER_BYTES, true);
  return longer;
}

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

/** Damages a valid little-endian message; what comes out is complete, so that the bus looks at it at once. */
export function damaged(bytes: Uint8Array, damage: Damage): Uint8Array {
  return HOW_TO[damage](new Uint8Array(bytes));
}

const HOW_TO: Readonly<Record<Damage, (bytes: Uint8Array) => Uint8Array>> = {
  'endian mark': (bytes) => withByte(bytes, 0, 0x58),
  'type zero': (bytes) => withByte(bytes, 1, 0),
  'version 2': (bytes) => withByte(bytes, 3, 2),
  'serial zero': (bytes) => bytes.fill(0, 8, 12),
  'field of the wrong type': (bytes) => withByte(bytes, HEADER_BYTES + 2, 0x75),
  /* a code that the specification does not use */
  'first field missing': (bytes) => withByte(bytes, HEADER_BYTES, 42),
  'padding not zero': withPadding,
  'bytes behind the body': (bytes) => withBody(bytes, 4),
  'body shorter than its signature': (bytes) => withField(bytes, [8, 1, 0x67, 0, 2, 0x75, 0x75, 0]),
  'descriptors that do not come': (bytes) => withField(bytes, [9, 1, 0x75, 0, 1, 0, 0, 0]),
  'larger than max_message_size': (bytes) => withBody(bytes, TOO_LARGE_BYTES),
};

function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  bytes[at] = value;
  return bytes;
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

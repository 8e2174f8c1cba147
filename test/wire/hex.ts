/** Bytes from hex digits in groups of any size. */
export function hex(...pieces: string[]): Uint8Array {
  const digits = pieces.join('').replaceAll(/\s/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${digits}`);
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** The hex digits of ASCII text. */
export function ascii(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A call to member M of /a with this body: made here, so that the writer under test is not asked. */
export function callWithBody(signature: string, body: Uint8Array, littleEndian = true): Uint8Array {
  const word = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (littleEndian) bytes.writeUInt32LE(value);
    else bytes.writeUInt32BE(value);
    return bytes;
  };
  const path = Buffer.concat([hex('01016f00'), word(2), hex('2f61000000000000')]);
  const member = Buffer.concat([hex('03017300'), word(1), hex('4d00000000000000')]);
  const signatureBytes = Buffer.from(signature, 'latin1');
  const signatureField = Buffer.concat([
    hex('08016700'),
    Uint8Array.of(signatureBytes.length),
    signatureBytes,
    Uint8Array.of(0),
  ]);
  const fieldsBytes = path.length + member.length + signatureField.length;
  return new Uint8Array(
    Buffer.concat([
      hex(littleEndian ? '6c010001' : '42010001'),
      word(body.length),
      word(1),
      word(fieldsBytes),
      path,
      member,
      signatureField,
      Buffer.alloc((8 - (fieldsBytes % 8)) % 8),
      body,
    ]),
  );
}

/** SASL data travels as hexadecimal digits: D-Bus specification, "Authentication Protocol". */

/** Lower-case digits, two for each byte of the UTF-8 form of a string. */
export function encodeHex(data: string | Uint8Array): string {
  const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);
  return bytes.toString('hex');
}

/** The bytes, or `undefined` if the text is not pairs of hexadecimal digits. */
export function decodeHex(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-fA-F]{2})*$/u.test(text) ? Buffer.from(text, 'hex') : undefined;
}

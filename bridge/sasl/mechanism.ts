/** What the two ends of an authentication have in common. */

/** In the order in which libdbus lists them: from the strongest to none at all. */
export const MECHANISMS = ['EXTERNAL', 'DBUS_COOKIE_SHA1', 'ANONYMOUS'] as const;

export type MechanismName = (typeof MECHANISMS)[number];

export function isMechanismName(text: string): text is MechanismName {
  return MECHANISMS.some((name) => name === text);
}

export type RandomBytes = (lengthBytes: number) => Uint8Array;

export type SaslFailureCode =
  | 'credentials-byte-missing'
  | 'guid-mismatch'
  | 'line-too-long'
  | 'protocol-violation'
  | 'rejected';

/** Why a conversation ended without success; the connection is to be closed. */
export interface SaslFailure {
  readonly code: SaslFailureCode;
  readonly message: string;
}

/** A line of the protocol, cut at its first run of blanks. */
export interface SaslCommand {
  readonly name: string;
  readonly args: string;
}

export function parseCommand(line: string): SaslCommand {
  let end = 0;
  while (end < line.length && !isBlank(line, end)) end++;
  let next = end;
  while (next < line.length && isBlank(line, next)) next++;
  return { name: line.slice(0, end), args: line.slice(next) };
}

function isBlank(line: string, at: number): boolean {
  return line[at] === ' ' || line[at] === '\t';
}

/**
 * Data travels as hexadecimal digits: D-Bus specification, "Authentication Protocol". They are lower-case, two for each
 * byte of the UTF-8 form of a string.
 */
export function encodeHex(data: string | Uint8Array): string {
  const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);
  return bytes.toString('hex');
}

/** The bytes, or `undefined` if the text is not pairs of hexadecimal digits. */
export function decodeHex(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-fA-F]{2})*$/u.test(text) ? Buffer.from(text, 'hex') : undefined;
}

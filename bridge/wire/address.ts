import { isUtf8 } from './utf8.js';

/** One server address: D-Bus Specification, "Server Addresses". Options are unescaped. */
export interface Address {
  /** Such as `unix`, `tcp`, `systemd`. */
  readonly transport: string;
  readonly options: ReadonlyMap<string, string>;
}

/** Why a text is not a valid list of addresses. */
export class AddressError extends Error {
  readonly code = 'InvalidAddress';
  /** The entry of the list that was refused. */
  readonly entry: string;

  constructor(entry: string, why: string) {
    super(`address '${entry}': ${why}`);
    this.name = 'AddressError';
    this.entry = entry;
  }
}

/** Bytes that need no escaping in a value; all others are written as %xx. */
const PLAIN = /^[-0-9A-Za-z_/.\\*]$/;
const ESCAPED = /^%[0-9A-Fa-f]{2}$/;
/** A value cut into escaped bytes and single characters. */
const PIECES = /%[0-9A-Fa-f]{2}|[^]/gu;

/**
 * The addresses of a list such as `unix:path=/run/bus;tcp:host=localhost,port=1234`, in the order in
 * which a client tries them. As in the reference implementation one `;` or `,` may end a list, and the
 * first value counts when a key is given twice. Returns the error, does not throw it.
 */
export function parseAddresses(text: string): Address[] | AddressError {
  const entries = text.split(';');
  if (entries.length > 1 && entries.at(-1) === '') entries.pop();
  const addresses: Address[] = [];
  for (const entry of entries) {
    const address = parseAddress(entry);
    if (address instanceof AddressError) return address;
    addresses.push(address);
  }
  return addresses;
}

function parseAddress(entry: string): Address | AddressError {
  const colon = entry.indexOf(':');
  if (colon < 0) return new AddressError(entry, 'there is no colon after the transport');
  if (colon === 0) return new AddressError(entry, 'there is no transport before the colon');
  const pairs = entry.slice(colon + 1).split(',');
  if (pairs.at(-1) === '') pairs.pop();
  const options = new Map<string, string>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals <= 0 || equals === pair.length - 1) {
      return new AddressError(entry, `'${pair}' is not a key, '=' and a value`);
    }
    const key = pair.slice(0, equals);
    const value = unescapeValue(pair.slice(equals + 1));
    if (value === undefined) {
      return new AddressError(entry, `the value of '${key}' is not escaped as addresses must be`);
    }
    if (!options.has(key)) options.set(key, value);
  }
  return { transport: entry.slice(0, colon), options };
}

/** Undefined when a byte should have been escaped, or when the bytes are not valid UTF-8 or contain NUL. */
function unescapeValue(text: string): string | undefined {
  const bytes: number[] = [];
  for (const [piece] of text.matchAll(PIECES)) {
    if (ESCAPED.test(piece)) bytes.push(Number.parseInt(piece.slice(1), 16));
    else if (PLAIN.test(piece)) bytes.push(piece.charCodeAt(0));
    else return undefined;
  }
  const value = Buffer.from(bytes);
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return isUtf8(value, view, 0, value.length) ? value.toString('utf8') : undefined;
}

/** The text of one address, its values escaped. */
export function formatAddress(address: Address): string {
  const pairs = [...address.options].map(([key, value]) => `${key}=${escapeValue(value)}`);
  return `${address.transport}:${pairs.join(',')}`;
}

function escapeValue(value: string): string {
  return Array.from(Buffer.from(value, 'utf8'), (byte) => {
    const character = String.fromCharCode(byte);
    return PLAIN.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}

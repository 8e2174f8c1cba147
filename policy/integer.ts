/** A number at the beginning of a text, as strtol(3) finds it with base 0, and the rest of the text. */
export interface LeadingInteger {
  readonly value: number;
  /** Empty for a text that is a number; dbus-daemon ignores it in limits and numbers of descriptors. */
  readonly rest: string;
}

const LEADING_INTEGER = /^[\t-\r ]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)/;

/** Decimal, hexadecimal behind 0x, octal behind 0. Undefined where no number begins. */
export function leadingInteger(text: string): LeadingInteger | undefined {
  const [whole, sign, digits] = LEADING_INTEGER.exec(text) ?? [];
  if (whole === undefined || digits === undefined) return undefined;
  const magnitude = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  const rest = text.slice(whole.length).trim();
  return { value: sign === '-' && magnitude !== 0 ? -magnitude : magnitude, rest };
}

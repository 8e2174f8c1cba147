/** Fields of a value that was decoded from JSON, or came from an unchecked source; none if it is not an object. */
export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** The value, if it is a string. */
export function textOrNone(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The value, if it is a number. */
export function numberOrNone(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

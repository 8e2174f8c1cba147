/** What a bus says to a question that it has never heard of: D-Bus specification, "Standard errors". */
const NOT_UNDERSTOOD = ['UnknownMethod', 'UnknownInterface', 'UnknownObject'].map(
  (name) => `org.freedesktop.DBus.Error.${name}`,
);

/** `message` in the place of an error by which a bus says that it does not know what it was asked for. */
export function unlessUnderstood(error: unknown, message: string): unknown {
  const type = error instanceof Error && 'type' in error ? String(error.type) : '';
  return NOT_UNDERSTOOD.includes(type) ? new Error(message, { cause: error }) : error;
}

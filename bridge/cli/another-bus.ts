/**
 * The errors of a bus that does not know the called method or interface: D-Bus specification, "Standard errors".
 */
const NOT_UNDERSTOOD = ['UnknownMethod', 'UnknownInterface', 'UnknownObject'].map(
  (name) => `org.freedesktop.DBus.Error.${name}`,
);

/** Replaces an error that says that the bus does not know the called method by `message`. */
export function unlessUnderstood(error: unknown, message: string): unknown {
  const type = error instanceof Error && 'type' in error ? String(error.type) : '';
  return NOT_UNDERSTOOD.includes(type) ? new Error(message, { cause: error }) : error;
}

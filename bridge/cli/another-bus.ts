import { BusConnection, BusError } from '#bridge/socket/connection.js';
import { textOf } from '#bridge/control/startup-error.js';

/**
 * The errors of a bus that does not know the called method or interface: D-Bus specification, "Standard errors".
 */
const NOT_UNDERSTOOD = ['UnknownMethod', 'UnknownInterface', 'UnknownObject'].map(
  (name) => `org.freedesktop.DBus.Error.${name}`,
);

/** Replaces an error that says that the bus does not know the called method by `message`. */
export function unlessUnderstood(error: unknown, message: string): unknown {
  const isNotUnderstood = error instanceof BusError && NOT_UNDERSTOOD.includes(error.name);
  return isNotUnderstood ? new Error(message, { cause: error }) : error;
}

/** Connects to the bus at `address`, which the error calls `what`. @throws Error */
export async function reach(what: string, address: string): Promise<BusConnection> {
  try {
    return await BusConnection.open(address);
  } catch (error) {
    throw new Error(`cannot reach the ${what} at ${address}: ${textOf(error)}`, { cause: error });
  }
}

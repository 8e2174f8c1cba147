import { BusConnection, type CallFields, BusError } from '#bridge/socket/connection.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import { textOf } from '#bridge/control/startup-error.js';

/** A working bus answers within milliseconds; a stopped one never does. */
const TIMEOUT_MS = 10_000;

/**
 * The values that a method of `org.bus1.Status` returns, from the bus at `address`, by default the session bus. `what`
 * ends the error for another kind of bus. @throws Error when it is another kind of bus, or does not answer
 */
export async function askBus(
  address: string | undefined,
  call: Pick<CallFields, 'member' | 'signature' | 'body'>,
  what: string,
): Promise<readonly unknown[]> {
  const known = address ?? 'session';
  const bus = await openBus(known);
  try {
    return await bus.call({ interface: 'org.bus1.Status', ...call }, TIMEOUT_MS);
  } catch (error) {
    throw unlessUnderstood(
      error,
      `the bus at ${known} is not one of bus1-bridge but, say, dbus-daemon: only buses of bus1-bridge ${what}`,
    );
  } finally {
    bus.close();
  }
}

async function openBus(known: string): Promise<BusConnection> {
  try {
    return await BusConnection.open(busAddress(known, process.env).text, TIMEOUT_MS);
  } catch (error) {
    const which = /^(?:session|system)$/.test(known) ? `the ${known} bus` : `the bus at ${known}`;
    throw new Error(`cannot reach ${which}: ${textOf(error)}`, { cause: error });
  }
}

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

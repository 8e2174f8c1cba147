import dbus from 'dbus-next';
import { busAddress } from '#bridge/wire/bus-address.js';
import { unlessUnderstood } from './another-bus.js';

/** A working bus answers within milliseconds; a stopped one never does. */
const TIMEOUT_MS = 10_000;

/**
 * What a method of `org.bus1.Status` answers, from the bus at `address`, by default the session bus. `what` says in the
 * error for another bus what only ours do. @throws Error when it is another bus, or does not answer
 */
export async function askBus(
  address: string | undefined,
  member: string,
  what: string,
): Promise<unknown> {
  const known = address ?? 'session';
  const bus = dbus.sessionBus({ busAddress: busAddress(known, process.env).text });
  const call = new dbus.Message({
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.bus1.Status',
    member,
  });
  try {
    const reply = await Promise.race([bus.call(call), failure(bus), timeout()]);
    return JSON.parse(String(reply?.body[0]));
  } catch (error) {
    throw unlessUnderstood(
      error,
      `the bus at ${known} is another one, such as dbus-daemon: only buses of bus1-bridge ${what}`,
    );
  } finally {
    bus.disconnect();
  }
}

function failure(bus: dbus.MessageBus): Promise<never> {
  return new Promise((_resolve, reject) => bus.on('error', reject));
}

function timeout(): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(new Error(`the bus did not answer within ${TIMEOUT_MS} ms`));
    setTimeout(fail, TIMEOUT_MS).unref();
  });
}

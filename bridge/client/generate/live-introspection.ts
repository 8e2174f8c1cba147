import dbus from 'dbus-next';

import { AddressError, parseAddresses } from '#bridge/wire/address.js';
import { parseBusName, parseObjectPath } from '#bridge/wire/names.js';
import { GenerateError } from './select-interfaces.js';
import type { IntrospectionText } from './generate.js';

export interface LiveObject {
  /** `session`, `system` or a D-Bus address. */
  readonly bus: string;
  /** The service, which the bus starts if it has to. */
  readonly name: string;
  readonly path: string;
}

/** Asks an object what it is like. Throws {@link GenerateError} if it, or its bus, does not answer. */
export async function introspectObject({
  bus,
  name,
  path,
}: LiveObject): Promise<IntrospectionText> {
  if (parseBusName(name) === undefined) throw new GenerateError(`"${name}" is no bus name`);
  if (parseObjectPath(path) === undefined) throw new GenerateError(`"${path}" is no object path`);
  const call = new dbus.Message({
    destination: name,
    path,
    interface: 'org.freedesktop.DBus.Introspectable',
    member: 'Introspect',
  });
  const reply = await withBus(bus, (connection) => connection.call(call));
  const [xml]: unknown[] = reply?.body ?? [];
  const source = `${name} ${path}`;
  if (typeof xml === 'string') return { source, title: source, xml };
  throw new GenerateError(`${source}: the answer to Introspect is no text`);
}

/** Connects, does one thing, and disconnects. A connection that fails ends what has begun. */
async function withBus<T>(
  bus: string,
  use: (connection: dbus.MessageBus) => Promise<T>,
): Promise<T> {
  const connection = dbus.sessionBus({ busAddress: addressOf(bus) });
  try {
    const failed = new Promise<never>((_, reject) => connection.on('error', reject));
    return await Promise.race([use(connection), failed]);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GenerateError(`${bus} bus: ${why}`);
  } finally {
    connection.disconnect();
  }
}

/** "Well-known Message Bus Instances". */
function addressOf(bus: string): string {
  const { env } = process;
  if (bus === 'system') {
    return env.DBUS_SYSTEM_BUS_ADDRESS ?? 'unix:path=/var/run/dbus/system_bus_socket';
  }
  if (bus !== 'session') return validAddress(bus);
  if (env.DBUS_SESSION_BUS_ADDRESS !== undefined) return env.DBUS_SESSION_BUS_ADDRESS;
  if (env.XDG_RUNTIME_DIR !== undefined) return `unix:path=${env.XDG_RUNTIME_DIR}/bus`;
  throw new GenerateError(
    'session bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR says where it is',
  );
}

function validAddress(bus: string): string {
  const addresses = parseAddresses(bus);
  if (addresses instanceof AddressError) {
    throw new GenerateError(`${addresses.message}; --bus takes session, system or an address`);
  }
  return bus;
}

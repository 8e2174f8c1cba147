import { BusConnection } from '#bridge/socket/connection.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import { parseBusName, parseObjectPath } from '#bridge/wire/names.js';
import { GenerateError } from './select-interfaces.js';
import type { IntrospectionText } from './generate.js';
import { INTROSPECTABLE } from '#bridge/wire/standard-names.js';

export interface LiveObject {
  /** `session`, `system` or a D-Bus address. */
  readonly bus: string;
  /** The service, which the bus starts if it has to. */
  readonly name: string;
  readonly path: string;
}

/** Introspects an object. Throws {@link GenerateError} if it, or its bus, does not answer. */
export async function introspectObject({
  bus,
  name,
  path,
}: LiveObject): Promise<IntrospectionText> {
  if (parseBusName(name) === undefined) throw new GenerateError(`"${name}" is not a bus name`);
  if (parseObjectPath(path) === undefined)
    throw new GenerateError(`"${path}" is not an object path`);
  const call = { destination: name, path, interface: INTROSPECTABLE, member: 'Introspect' };
  const [xml] = await withBus(bus, (connection) => connection.call(call));
  const source = `${name} ${path}`;
  if (typeof xml === 'string') return { source, title: source, xml };
  throw new GenerateError(`${source}: the reply to Introspect is not a string`);
}

/** Connects, does one thing, and disconnects. A connection that fails ends what has begun. */
async function withBus<T>(bus: string, use: (connection: BusConnection) => Promise<T>): Promise<T> {
  let connection: BusConnection | undefined;
  try {
    connection = await BusConnection.open(busAddress(bus, process.env).text);
    return await use(connection);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GenerateError(`${bus} bus: ${why}`);
  } finally {
    connection?.close();
  }
}

import type { Capability } from './capability.js';
import { ClientError, DBusError, ErrorName } from './errors.js';
import type { CallOptions } from './interface-description.js';
import { MAPPING } from './object-protocol.js';
import { DRIVER_NAME } from '#bridge/wire/standard-names.js';

/**
 * What the names of mapped services lead to. Modules that `bus1-bridge generate --mapping` has written add to it:
 * importing one types `bus.mapped`.
 */
export interface MappedNames {
  /** The bus itself is no mapped service, and never will be. */
  'org.freedesktop.DBus': never;
}

/** A capability to the object that a name leads to, with the interfaces that the mapping says it has. */
export type ObjectOf<Name extends string> = Name extends keyof MappedNames
  ? MappedNames[Name]
  : Capability;

/** How services answer a call of an interface that they do not have; it depends on their library. */
const UNKNOWN: readonly string[] = [
  ErrorName.UnknownMethod,
  ErrorName.UnknownInterface,
  ErrorName.UnknownObject,
];

/**
 * Makes sure that a capability leads to an object of a mapped service, and not to the service itself, whose results
 * hold paths.
 *
 * @throws ClientError `NotMapped`
 */
export async function mustBeMapped(
  capability: Capability,
  name: string,
  options: CallOptions,
): Promise<void> {
  const what = 'start it with --mappings or --mapping FILE, or use bus.proxy';
  const why = `this bus has no mapping for ${name}: ${what}`;
  const call = { ...options, path: '/', interface: MAPPING, member: 'GetKind' };
  const { sender } = await capability.call(call).catch((error: unknown) => {
    if (!(error instanceof DBusError) || !UNKNOWN.includes(error.name)) throw error;
    throw new ClientError('NotMapped', why, { cause: error });
  });
  /* Some services answer any call; for a mapped one it is the bus that answers. */
  if (sender !== DRIVER_NAME) throw new ClientError('NotMapped', why);
}

import type { Address } from '#bridge/wire/address.js';
import type { BusAddress } from '#bridge/wire/bus-address.js';

/** What is appended to the path, or abstract name, at which a bridge takes D-Bus connections. */
const AUTHORITY_SUFFIX = '.bus1';

/**
 * Where to ask to be admitted to the domain of a bus, in the order in which to try: beside its sockets, or at
 * `bus1:path=…` itself. Abstract names begin with NUL. Empty when no entry of the address can have a domain.
 */
export function authorityPaths({ entries }: BusAddress): string[] {
  return entries.flatMap((entry) => authorityPath(entry) ?? []);
}

function authorityPath({ transport, options }: Address): string | undefined {
  const path = options.get('path');
  if (transport === 'bus1') return path;
  if (transport !== 'unix') return undefined;
  if (path !== undefined) return path + AUTHORITY_SUFFIX;
  const abstract = options.get('abstract');
  return abstract === undefined ? undefined : `\0${abstract}${AUTHORITY_SUFFIX}`;
}

import { AddressError, parseAddresses, type Address } from '#bridge/wire/address.js';
import { ClientError } from './errors.js';

/** What is appended to the path, or abstract name, at which a bridge takes D-Bus connections. */
const AUTHORITY_SUFFIX = '.bus1';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where to ask to be admitted to the domain of a bus, in the order in which to try. `address` is a D-Bus address, by
 * default that of the session bus, or `bus1:path=…` for the authority itself. Abstract names begin with NUL.
 *
 * @throws ClientError
 */
export function authorityPaths(address: string | undefined, environment: Environment): string[] {
  const text = address ?? environment['DBUS_SESSION_BUS_ADDRESS'] ?? 'unix:runtime=yes';
  const addresses = parseAddresses(text);
  if (addresses instanceof AddressError) throw new ClientError('JoinFailed', addresses.message);
  const paths = addresses.flatMap((entry) => authorityPath(entry, environment) ?? []);
  if (paths.length > 0) return paths;
  const wanted = 'unix:path=…, unix:abstract=…, unix:runtime=yes or bus1:path=…';
  throw new ClientError(
    'JoinFailed',
    `the address '${text}' leads to no domain: it has no ${wanted}`,
  );
}

function authorityPath(
  { transport, options }: Address,
  environment: Environment,
): string | undefined {
  const path = options.get('path');
  if (transport === 'bus1') return path;
  if (transport !== 'unix') return undefined;
  if (path !== undefined) return path + AUTHORITY_SUFFIX;
  const abstract = options.get('abstract');
  if (abstract !== undefined) return `\0${abstract}${AUTHORITY_SUFFIX}`;
  const directory = environment['XDG_RUNTIME_DIR'];
  const isRuntime = options.get('runtime') === 'yes' && directory !== undefined;
  return isRuntime ? `${directory}/bus${AUTHORITY_SUFFIX}` : undefined;
}

import { SystemError } from '#core/linux/index.js';
import { connectToBus } from '#bridge/socket/connect.js';
import { findBusAddress, NoBusError, type BusAddress } from '#bridge/wire/bus-address.js';
import { formatAddress, type Address } from '#bridge/wire/address.js';
import { ClientError } from './errors.js';
import { SocketDomain } from './socket-domain.js';
import type { OpenTransport, TransportKind } from './transport.js';

/** Which bus is meant, and how to reach it. */
export interface BusChoice {
  /** by default the session bus */
  readonly bus?: 'session' | 'system' | 'starter' | undefined;
  /** a D-Bus address, or `bus1:path=…` of an authority; instead of `bus` */
  readonly address?: string | undefined;
  /**
   * By default the domain of the bus if it has one, and its socket otherwise. `domain` and `socket` insist on one of
   * them.
   */
  readonly transport?: TransportKind | undefined;
}

/** Opens the first transport by which the bus can be reached. @throws ClientError `JoinFailed` */
export function reachBus<T>(
  { bus = 'session', address, transport }: BusChoice,
  open: (way: string | OpenTransport) => T,
): T {
  const found = findBusAddress(address ?? bus, process.env);
  if (found instanceof NoBusError) {
    throw new ClientError('JoinFailed', found.message, { cause: found });
  }
  const failures: Error[] = [];
  const first = transport === 'socket' ? undefined : openDomain(found, open, failures);
  if (first !== undefined) return first;
  const second = transport === 'domain' ? undefined : openSocket(found, open, failures);
  if (second !== undefined) return second;
  const why =
    transport === 'domain'
      ? 'no domain can be reached; is a bridge running at this address, and does it accept native peers?'
      : "the bus cannot be reached; 'bus1-bridge run --address ADDRESS' starts one";
  const reasons = failures.map(({ message }) => message).join('; ');
  const cause = failures.length === 1 ? failures[0] : new AggregateError(failures, reasons);
  throw new ClientError('JoinFailed', `${found.text}: ${why} (${reasons})`, { cause });
}

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

function openDomain<T>(
  address: BusAddress,
  open: (way: string) => T,
  failures: Error[],
): T | undefined {
  const paths = authorityPaths(address);
  for (const path of paths) {
    try {
      return open(path);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      failures.push(new Error(`'${path.replace('\0', '@')}': ${error.message}`, { cause: error }));
    }
  }
  if (paths.length === 0)
    failures.push(new Error('the address has no socket path beside which a domain could listen'));
  return undefined;
}

function openSocket<T>(
  { entries }: BusAddress,
  open: (way: OpenTransport) => T,
  failures: Error[],
): T | undefined {
  const addresses = entries.filter(({ transport }) => transport !== 'bus1');
  if (addresses.length === 0) return undefined;
  const socket = connectToBus(addresses.map(formatAddress).join(';'));
  if (typeof socket !== 'string') return open((options) => new SocketDomain(socket, options));
  failures.push(new Error(socket));
  return undefined;
}

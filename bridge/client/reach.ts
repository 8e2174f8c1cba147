import { SystemError } from '#core/linux/index.js';
import { findBusAddress, NoBusError } from '#bridge/wire/bus-address.js';
import { authorityPaths } from './authority-address.js';
import { ClientError } from './errors.js';

/** Which bus is meant. */
export interface BusChoice {
  /** by default the session bus */
  readonly bus?: 'session' | 'system' | 'starter' | undefined;
  /** a D-Bus address, or `bus1:path=…` of an authority; instead of `bus` */
  readonly address?: string | undefined;
}

/** Opens the first authority of a bus that can be reached. @throws ClientError `JoinFailed` */
export function reachDomain<T>(
  { bus = 'session', address }: BusChoice,
  open: (authorityPath: string) => T,
): T {
  const found = findBusAddress(address ?? bus, process.env);
  if (found instanceof NoBusError) throw new ClientError('JoinFailed', found.message);
  const failures: string[] = [];
  for (const path of authorityPaths(found)) {
    try {
      return open(path);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      failures.push(`'${path.replace('\0', '@')}': ${error.message}`);
    }
  }
  if (failures.length === 0) {
    const wanted = 'unix:path=…, unix:abstract=…, unix:runtime=yes or bus1:path=…';
    const why = `the address '${found.text}' leads to no domain: it has no ${wanted}`;
    throw new ClientError('JoinFailed', why);
  }
  const why = 'is a bridge running at this address, and does it take native peers?';
  throw new ClientError(
    'JoinFailed',
    `no authority of a domain could be reached: ${failures.join('; ')}; ${why}`,
  );
}

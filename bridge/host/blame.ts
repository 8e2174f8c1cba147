import type { Connection } from '#bridge/registry/connection.js';

import type { Host } from './host.js';

/**
 * Handles an error in work that was deferred to the end of its transaction: the process that requested it loses its
 * channel, or the client its connection. Requests of others are not affected.
 *
 * @param origin process of the domain; 0: this one
 * @throws `error` where the requester is not known
 */
export function blame(
  host: Host,
  origin: number,
  connection: Connection | undefined,
  error: unknown,
): void {
  const { peers } = host;
  host.domain.abandon();
  if (peers !== null && origin !== 0 && !host.isOurs(origin)) {
    return peers.shared.expel(origin, error);
  }
  if (connection === undefined) throw error;
  const reason = internalError(error);
  for (const shim of host.connected) {
    if (shim.connection === connection) return host.close(shim, reason);
  }
  if (!host.isRegistryHere) throw error;
  host.driver.disconnect(connection, reason);
}

export function internalError(error: unknown): string {
  return `internal error: ${error instanceof Error ? error.stack : String(error)}`;
}

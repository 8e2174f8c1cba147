import type { BlockingConnection } from './blocking-connection.js';
import { OUTSTANDING } from './figures.js';
import { callsOutstanding } from './load.js';
import { Variant } from '#bridge/wire/types.js';

const WARM_UP_CALLS = 50_000;
const HEAP_KEY = 'org.bus1.Heap.UsedBytes';

/** The size of the bus's heap before and after `calls` calls; null where the bus does not report it. */
export interface HeapGrowth {
  readonly calls: number;
  readonly beforeBytes: number | null;
  readonly afterBytes: number | null;
}

/** Sends `calls` calls through the bus and asks for its heap before and after. */
export function heapGrowth(connection: BlockingConnection, calls: number): HeapGrowth {
  callsOutstanding(connection, OUTSTANDING, (answered) => answered >= WARM_UP_CALLS);
  const beforeBytes = heapUsedBytes(connection);
  callsOutstanding(connection, OUTSTANDING, (answered) => answered >= calls - OUTSTANDING);
  return { calls, beforeBytes, afterBytes: heapUsedBytes(connection) };
}

/** `org.bus1.Heap.UsedBytes` (UINT64) of GetStats: our own addition, other buses do not have it. */
function heapUsedBytes(connection: BlockingConnection): number | null {
  const { body } = connection.call({
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus.Debug.Stats',
    member: 'GetStats',
    destination: 'org.freedesktop.DBus',
  });
  const [stats] = body;
  const used: unknown = stats instanceof Map ? stats.get(HEAP_KEY) : undefined;
  return used instanceof Variant ? Number(used.value) : null;
}

import { decodeStatus, type BusStatus } from '#bridge/driver/status-json.js';
import type { HostStatus } from '#bridge/registry/host-report.js';
import { askBus } from './ask-bus.js';

/**
 * Asks the bus at `address`, by default the session bus. @throws Error when it is not a bus1-bridge, or does not
 * answer
 */
export async function busStatus(address?: string): Promise<BusStatus> {
  const [json] = await askBus(address, { member: 'GetStatus' }, 'report their status');
  return decodeStatus(String(json));
}

const COLUMNS = [
  'pid',
  'connections',
  'peers',
  'nodes',
  'handles',
  'channels',
  'messages',
] as const;

/** One line for each process. */
export function formatStatus({ authority, hosts, natives }: BusStatus): string {
  const others = hosts.filter(({ pid }) => pid !== authority.pid);
  const rows = [
    ['', ...COLUMNS],
    row('authority, registry, driver', authority),
    ...others.map((host) => row('host', host)),
  ];
  const widthOf = (column: number): number =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0));
  const lines = rows.map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widthOf(i)) : cell.padStart(widthOf(i))))
      .join('  '),
  );
  const peers = natives.map(({ name, pid }) => `native peer ${name}, pid ${pid}`);
  return [...lines, ...peers, ''].join('\n');
}

function row(what: string, status: HostStatus): string[] {
  return [what, ...COLUMNS.map((column) => String(status[column]))];
}

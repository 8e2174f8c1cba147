import dbus from 'dbus-next';
import type { BusStatus } from '#bridge/driver/status.js';
import type { HostStatus } from '#bridge/registry/host-report.js';
import { unlessUnderstood } from './another-bus.js';
import { busAddress } from '#bridge/wire/bus-address.js';

/** A working bus answers within milliseconds; a stopped one never does. */
const TIMEOUT_MS = 10_000;

/**
 * Asks the bus at `address`, by default the session bus. @throws Error when it is not a bus1-bridge, or does not
 * answer
 */
export async function busStatus(address = 'session'): Promise<BusStatus> {
  const bus = dbus.sessionBus({ busAddress: busAddress(address, process.env).text });
  const call = new dbus.Message({
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.bus1.Status',
    member: 'GetStatus',
  });
  try {
    const reply = await Promise.race([bus.call(call), failure(bus), timeout()]);
    return JSON.parse(String(reply?.body[0])) as BusStatus;
  } catch (error) {
    throw unlessUnderstood(
      error,
      `the bus at ${address} is another one, such as dbus-daemon: only buses of bus1-bridge have a status`,
    );
  } finally {
    bus.disconnect();
  }
}

function failure(bus: dbus.MessageBus): Promise<never> {
  return new Promise((_resolve, reject) => bus.on('error', reject));
}

function timeout(): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(new Error(`the bus did not answer within ${TIMEOUT_MS} ms`));
    setTimeout(fail, TIMEOUT_MS).unref();
  });
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
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  '),
  );
  const peers = natives.map(({ name, pid }) => `native peer ${name}, pid ${pid}`);
  return [...lines, ...peers, ''].join('\n');
}

function row(what: string, status: HostStatus): string[] {
  return [what, ...COLUMNS.map((column) => String(status[column]))];
}

import type { MessageBus } from 'dbus-next';
import { Connection } from './connection.js';
import { NativeBus } from './native-bus.js';

/** How to open a bus. */
export interface BusOptions {
  /** D-Bus address of the bus; by default that in the environment */
  readonly busAddress?: string | undefined;
  /** whether file descriptors are taken and can be sent; false by default, as in dbus-next */
  readonly negotiateUnixFd?: boolean | undefined;
  /** not looked at: the kernel says who this process is */
  readonly authMethods?: readonly string[] | undefined;
}

/** File-hierarchy and D-Bus Specification, "System message bus". */
const SYSTEM_BUS = 'unix:path=/var/run/dbus/system_bus_socket';

/**
 * The session bus, as dbus-next's function of the same name gives it. It is an `error` event of the bus when no bridge
 * can be reached, or does not let this process in; calls that were made meanwhile are rejected.
 */
export function sessionBus(options: BusOptions = {}): MessageBus {
  return openBus(options.busAddress, options);
}

/** The same for the system bus. */
export function systemBus(options: Pick<BusOptions, 'negotiateUnixFd'> = {}): MessageBus {
  return openBus(process.env['DBUS_SYSTEM_BUS_ADDRESS'] ?? SYSTEM_BUS, options);
}

function openBus(address: string | undefined, { negotiateUnixFd = false }: BusOptions): MessageBus {
  return new NativeBus(new Connection(address, negotiateUnixFd));
}

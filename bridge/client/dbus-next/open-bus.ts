import type { MessageBus } from 'dbus-next';
import type { BusChoice } from '#bridge/client/reach.js';
import type { TransportKind } from '#bridge/client/transport.js';
import { NativeConnection } from './native-connection.js';
import { NativeBus } from './native-bus.js';

/** How to open a bus. */
export interface BusOptions {
  /** D-Bus address of the bus; by default that in the environment */
  readonly busAddress?: string | undefined;
  /** whether file descriptors are taken and can be sent; false by default, as in dbus-next */
  readonly negotiateUnixFd?: boolean | undefined;
  /** `domain` or `socket` insists on that; by default a domain is preferred to the socket of a bus */
  readonly transport?: TransportKind | undefined;
  /** ignored: the kernel identifies this process */
  readonly authMethods?: readonly string[] | undefined;
}

/**
 * The session bus, as dbus-next's function of the same name returns it. The bus emits `error` when no bridge can be
 * reached, or the bridge does not admit this process; calls that were made meanwhile are rejected.
 */
export function sessionBus(options: BusOptions = {}): MessageBus {
  return openBus({ address: options.busAddress, transport: options.transport }, options);
}

/** Like `sessionBus`, for the system bus. */
export function systemBus(options: Omit<BusOptions, 'busAddress'> = {}): MessageBus {
  return openBus({ bus: 'system', transport: options.transport }, options);
}

function openBus(choice: BusChoice, { negotiateUnixFd = false }: BusOptions): MessageBus {
  return new NativeBus(new NativeConnection(choice, negotiateUnixFd));
}

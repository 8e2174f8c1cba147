import { AddressError, formatAddress, parseAddresses, type Address } from './address.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** D-Bus Specification, "System message bus": the default of `DBUS_SYSTEM_BUS_ADDRESS`. */
const SYSTEM_BUS = 'unix:path=/var/run/dbus/system_bus_socket';

/** Why there is no address for a bus. */
export class NoBusError extends Error {
  readonly code = 'NoBus';

  constructor(message: string) {
    super(message);
    this.name = 'NoBusError';
  }
}

/** Where a bus listens: what to connect to, in the order in which to try. */
export interface BusAddress {
  readonly text: string;
  readonly entries: readonly Address[];
}

/**
 * The address of `session`, `system` or `starter`, or of the bus at a D-Bus address. The lookup follows libdbus
 * (`init_connections_unlocked` in dbus-bus.c): in `DBUS_SESSION_BUS_ADDRESS`, else at `$XDG_RUNTIME_DIR/bus`; in
 * `DBUS_SYSTEM_BUS_ADDRESS`, else at the default; in `DBUS_STARTER_ADDRESS`. A variable that is empty counts as unset.
 * Never starts a bus; libdbus would launch one and announce it on X11. Returns the error, does not throw it.
 */
export function findBusAddress(bus: string, environment: Environment): BusAddress | NoBusError {
  const text = addressText(bus, environment);
  if (text instanceof NoBusError) return text;
  const parsed = parseAddresses(text);
  if (parsed instanceof AddressError) {
    // Only a variable can hold a text that is no address.
    const source =
      text === bus
        ? "a bus is 'session', 'system' or a D-Bus address"
        : `in DBUS_${bus.toUpperCase()}${bus === 'starter' ? '' : '_BUS'}_ADDRESS`;
    return new NoBusError(`${parsed.message} (${source})`);
  }
  const entries = parsed.map((entry) => withoutRuntime(entry, environment));
  return { text: entries.map(formatAddress).join(';'), entries };
}

/** Like the function above, but throws, for commands that cannot run without a bus. @throws NoBusError */
export function busAddress(bus: string, environment: Environment): BusAddress {
  const found = findBusAddress(bus, environment);
  if (found instanceof NoBusError) throw found;
  return found;
}

function addressText(bus: string, environment: Environment): string | NoBusError {
  const variable = (name: string): string | undefined => environment[name] || undefined;
  switch (bus) {
    case 'system':
      return variable('DBUS_SYSTEM_BUS_ADDRESS') ?? SYSTEM_BUS;
    case 'starter':
      return (
        variable('DBUS_STARTER_ADDRESS') ??
        new NoBusError('this process was not started by a bus: DBUS_STARTER_ADDRESS is not set')
      );
    case 'session':
      return variable('DBUS_SESSION_BUS_ADDRESS') ?? runtimeAddress(environment);
    default:
      return bus;
  }
}

function runtimeAddress({ XDG_RUNTIME_DIR: directory }: Environment): string | NoBusError {
  if (directory !== undefined && directory !== '') return 'unix:runtime=yes';
  return new NoBusError(
    'there is no session bus here: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set; ' +
      "set one of them, name the bus by its address, or start one with 'bus1-bridge run'",
  );
}

/** `unix:runtime=yes` is the socket `bus` in $XDG_RUNTIME_DIR: D-Bus Specification, "Unix Domain Sockets". */
function withoutRuntime(entry: Address, environment: Environment): Address {
  const { transport, options } = entry;
  const directory = environment['XDG_RUNTIME_DIR'];
  const isRuntime = transport === 'unix' && options.get('runtime') === 'yes' && directory;
  if (!isRuntime) return entry;
  const others = [...options].filter(([key]) => key !== 'runtime');
  return { transport, options: new Map([['path', `${directory}/bus`], ...others]) };
}

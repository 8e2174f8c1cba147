import { once } from 'node:events';
import dbus from 'dbus-next';

const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};

/** Opens a dbus-next connection and waits until the bus has greeted it. */
export async function connect(address: string): Promise<dbus.MessageBus> {
  const bus = dbus.sessionBus({ busAddress: address });
  await once(bus, 'connect');
  return bus;
}

/** Calls a method of the bus itself and returns the reply. */
export async function askBus(
  bus: dbus.MessageBus,
  member: string,
  signature = '',
  body: unknown[] = [],
): Promise<dbus.Message> {
  const reply = await bus.call(new dbus.Message({ ...BUS, member, signature, body }));
  return reply!;
}

/** Like `askBus`, but returns the arguments of the reply. */
export async function callBus(
  bus: dbus.MessageBus,
  member: string,
  signature = '',
  body: unknown[] = [],
) {
  return (await askBus(bus, member, signature, body)).body;
}

/** All names on the bus, sorted. */
export async function listNames(bus: dbus.MessageBus): Promise<string[]> {
  const names: string[] = (await callBus(bus, 'ListNames'))[0];
  return names.toSorted();
}

/** Sees every change of a name's owner from the moment that watchNames() returned. */
export interface NameWatch {
  /** Waits until `name` has an owner, and tells which. */
  owned(name: string): Promise<string>;
  /** Waits until `name` has none. */
  gone(name: string): Promise<void>;
}

/** Watches names through `bus`, which then sees all NameOwnerChanged signals. */
export async function watchNames(bus: dbus.MessageBus): Promise<NameWatch> {
  const owners = new Map<string, string>();
  let wake: (() => void)[] = [];
  bus.on('message', (message) => {
    if (message.member !== 'NameOwnerChanged') return;
    const [name, , owner] = message.body;
    owners.set(name, owner);
    for (const resolve of wake.splice(0)) resolve();
  });
  await callBus(bus, 'AddMatch', 's', ["type='signal',member='NameOwnerChanged'"]);
  for (const name of await listNames(bus)) {
    const [owner] = await callBus(bus, 'GetNameOwner', 's', [name]);
    if (!owners.has(name)) owners.set(name, owner);
  }
  const changed = (): Promise<void> => new Promise((resolve) => wake.push(resolve));
  return {
    owned: async (name) => {
      while (!owners.get(name)) await changed();
      return owners.get(name)!;
    },
    gone: async (name) => {
      while (owners.get(name)) await changed();
    },
  };
}

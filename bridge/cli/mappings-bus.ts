import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import dbus from 'dbus-next';
import { busAddress } from '#bridge/wire/bus-address.js';
import { parseIntrospection } from '#bridge/introspection/introspection.js';
import type { IntrospectedNode } from '#bridge/introspection/introspection.js';

/** libdbus waits as long for a reply, and a service may have to start first. */
const REPLY_TIMEOUT_MS = 25_000;

/** An existing bus, and what these commands ask it and its services. */
export class OldBus {
  readonly #bus: dbus.MessageBus;
  #failure: Error | undefined;

  private constructor(bus: dbus.MessageBus) {
    this.#bus = bus;
    bus.on('error', (error: Error) => (this.#failure = error));
  }

  /** Connects to `session`, `system` or an address. */
  static async connect(which: string): Promise<OldBus> {
    const { text: address } = busAddress(which, process.env);
    const bus = dbus.sessionBus({ busAddress: address });
    try {
      await once(bus, 'connect');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`cannot reach the bus at ${address}: ${reason}`, { cause: error });
    }
    return new OldBus(bus);
  }

  /** All well-known names that have an owner, and those whose service can be started if that is `all`, sorted. */
  async names(all: boolean): Promise<string[]> {
    const driver = {
      destination: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus',
    };
    const owned = await this.#call({ ...driver, member: 'ListNames' });
    const names = new Set(owned[0] as string[]);
    const activatable = all
      ? await this.#call({ ...driver, member: 'ListActivatableNames' })
      : [[]];
    for (const name of activatable[0] as string[]) names.add(name);
    names.delete('org.freedesktop.DBus');
    return [...names].filter((name) => !name.startsWith(':')).toSorted();
  }

  /** What an object tells about itself. */
  async introspect(destination: string, path: string): Promise<IntrospectedNode> {
    const [xml] = await this.#call({
      destination,
      path,
      interface: 'org.freedesktop.DBus.Introspectable',
      member: 'Introspect',
    });
    return parseIntrospection(String(xml), `${destination}${path}`);
  }

  /** The paths of the objects that an object manager reports. */
  async managedObjects(destination: string, path: string): Promise<string[]> {
    const [objects] = await this.#call({
      destination,
      path,
      interface: 'org.freedesktop.DBus.ObjectManager',
      member: 'GetManagedObjects',
    });
    return Object.keys(objects as object);
  }

  close(): void {
    this.#bus.disconnect();
  }

  async #call(message: dbus.MessageLike): Promise<readonly unknown[]> {
    const patience = new AbortController();
    const timeout = setTimeout(REPLY_TIMEOUT_MS, undefined, { signal: patience.signal });
    try {
      const reply = await Promise.race([this.#bus.call(new dbus.Message(message)), timeout]);
      if (reply) return reply.body;
      const { destination, path } = message;
      const reason = this.#failure?.message ?? `no reply within ${REPLY_TIMEOUT_MS / 1000} s`;
      throw new Error(`${destination} ${path}: ${reason}`);
    } finally {
      patience.abort();
      timeout.catch(() => {});
    }
  }
}

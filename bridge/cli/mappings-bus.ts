import type { BusConnection } from '#bridge/socket/connection.js';
import { typedBody } from '#bridge/wire/typed-body.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import { parseIntrospection } from '#bridge/introspection/introspection.js';
import type { IntrospectedNode } from '#bridge/introspection/introspection.js';
import { reach } from './ask-bus.js';

/** Names that begin with this are those of bridges, which do not move. */
export const OWN_PREFIX = 'org.bus1.';

/** An existing bus, and what these commands ask it and its services. */
export class OldBus {
  readonly #bus: BusConnection;

  private constructor(bus: BusConnection) {
    this.#bus = bus;
  }

  /** Connects to `session`, `system` or an address. */
  static async connect(which: string): Promise<OldBus> {
    return new OldBus(await reach('bus', busAddress(which, process.env).text));
  }

  /**
   * All well-known names that have an owner, and those whose service can be started if that is `all`, sorted. Those
   * of the bus and of bridges are no services'.
   */
  async names(all: boolean): Promise<string[]> {
    const list = async (member: string): Promise<readonly string[]> =>
      typedBody(await this.#bus.call({ member }), 'as')[0];
    const names = new Set(await list('ListNames'));
    const activatable = all ? await list('ListActivatableNames') : [];
    for (const name of activatable) names.add(name);
    names.delete('org.freedesktop.DBus');
    return [...names]
      .filter((name) => !name.startsWith(':') && !name.startsWith(OWN_PREFIX))
      .toSorted();
  }

  /** The introspection data of an object. */
  async introspect(destination: string, path: string): Promise<IntrospectedNode> {
    const [xml] = await this.#bus.call({
      destination,
      path,
      interface: 'org.freedesktop.DBus.Introspectable',
      member: 'Introspect',
    });
    return parseIntrospection(String(xml), `${destination}${path}`);
  }

  /** The paths of the objects that an object manager reports. */
  async managedObjects(destination: string, path: string): Promise<string[]> {
    const reply = await this.#bus.call({
      destination,
      path,
      interface: 'org.freedesktop.DBus.ObjectManager',
      member: 'GetManagedObjects',
    });
    const [objects] = typedBody(reply, 'a{oa{sa{sv}}}');
    return [...objects.keys()];
  }

  close(): void {
    this.#bus.close();
  }
}

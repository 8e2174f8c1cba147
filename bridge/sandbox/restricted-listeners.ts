import { closeFd, duplicate, isListening, SystemError } from '#core/linux/index.js';
import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import { arg, method, type CallWith, type DriverInterface } from '#bridge/driver/method.js';
import type { Host } from '#bridge/host/host.js';
import type { Sandboxes } from '#bridge/host/host-parts.js';
import type { Confinement } from '#policy/index.js';
import {
  ArgumentError,
  parseFilter,
  SANDBOX_INTERFACE,
  type FilterOptions,
} from './proxy-options.js';
import { ConfinedClients } from './confined-clients.js';
import { RestrictedListener } from './restricted-listener.js';
import { filterOfRoles } from './role-filter.js';

const NOT_CONFINED_NOW = 'after a reload, no role limits what it sees any more; it may reconnect';

/**
 * Clients of this bus that see what xdg-dbus-proxy(1) would show them, without a process between them and the bus: by
 * their roles, or because they come in through a socket for a sandbox. For a sandbox, the caller of `Listen` passes a
 * listening socket, and a descriptor whose other end stays open for as long as the socket is wanted.
 */
export class RestrictedListeners implements Sandboxes {
  readonly driverInterface: DriverInterface = {
    name: SANDBOX_INTERFACE,
    canonicalPath: true,
    methods: [
      method({
        name: 'Listen',
        in: [arg('socket', 'h'), arg('life', 'h'), arg('options', 'as')],
        out: [],
        /* the caller holds the same socket, and could make the bus block on it */
        privileged: true,
        run: (call) => this.listen(call),
      }),
    ],
  };
  private readonly host: Host;
  private readonly listeners = new Set<RestrictedListener>();
  /** clients that roles confine */
  private readonly confined: ConfinedClients;

  constructor(host: Host) {
    this.host = host;
    this.confined = new ConfinedClients(host);
  }

  confine(fd: number, confinement: Confinement, listener: string | undefined): void {
    this.confined.serve(fd, filterOfRoles(confinement), listener);
  }

  review(): void {
    const { grants } = this.host;
    for (const client of this.confined.all()) {
      const confinement = grants.confinementOf(client.credentials);
      if (confinement === undefined) this.confined.close(client, NOT_CONFINED_NOW);
      else client.session.setFilter(filterOfRoles(confinement));
    }
  }

  close(): void {
    for (const listener of this.listeners) listener.end();
  }

  private listen({ args, descriptors }: CallWith<'hhas'>): readonly [] {
    const [socketIndex, lifeIndex, words] = args;
    const socket = descriptors[socketIndex];
    const life = descriptors[lifeIndex];
    if (socket === undefined || life === undefined)
      throw invalid('a descriptor index in its body is out of range');
    if (!isListening(socket)) throw invalid('its first descriptor is not a listening socket');
    const options = filterOf(words);
    const owned: number[] = [];
    const own = (fd: number): number => {
      const copy = duplicate(fd);
      owned.push(copy);
      return copy;
    };
    try {
      const parts = { socketFd: own(socket), lifeFd: own(life), options };
      const listener = new RestrictedListener(this.host, parts, () =>
        this.listeners.delete(listener),
      );
      this.listeners.add(listener);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      for (const fd of owned) {
        this.host.poller.ignore(fd);
        closeFd(fd);
      }
      throw new DriverError(ErrorName.LimitsExceeded, `the bus cannot listen: ${error.message}`);
    }
    return [];
  }
}

function filterOf(words: readonly string[]): FilterOptions {
  try {
    return parseFilter(words);
  } catch (error) {
    if (error instanceof ArgumentError) throw invalid(error.message);
    throw error;
  }
}

function invalid(why: string): DriverError {
  return new DriverError(ErrorName.InvalidArgs, `${SANDBOX_INTERFACE}.Listen: ${why}`);
}

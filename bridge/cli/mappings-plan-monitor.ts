import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import dbus from 'dbus-next';
import { textOf } from '#bridge/control/startup-error.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import { Traffic } from './mappings-plan-traffic.js';

const DRIVER = 'org.freedesktop.DBus';

/** Methods of the bus that say who is behind a name. */
const IDENTIFYING = new Set([
  'GetConnectionCredentials',
  'GetConnectionUnixProcessID',
  'GetConnectionUnixUser',
]);

/** The process at the other end of a connection, as far as the bus tells. */
export interface Client {
  readonly uniqueName: string;
  readonly uid: number | undefined;
  readonly pid: number | undefined;
  readonly executable: string | undefined;
  /** the systemd unit or application that it belongs to */
  readonly unit?: string | undefined;
  /** it had left before it could be asked about */
  readonly isGone?: boolean;
}

/**
 * Sees all messages on a bus, on a connection that has become a monitor; another connection asks for the
 * credentials of each new client at once, because the bus cannot be asked about one that has left.
 */
export class BusMonitor {
  readonly address: string;
  readonly traffic = new Traffic();
  /** messages of all kinds that were seen */
  messages = 0;
  /** rejects when the bus ends or closes the connection */
  readonly broken: Promise<never>;
  private readonly asking: dbus.MessageBus;
  private readonly watching: dbus.MessageBus;
  private readonly clients = new Map<string, Promise<Client>>();
  private fail: (error: Error) => void = () => {};

  private constructor(address: string, asking: dbus.MessageBus, watching: dbus.MessageBus) {
    this.address = address;
    this.asking = asking;
    this.watching = watching;
    this.broken = new Promise((_resolve, reject) => (this.fail = reject));
    this.broken.catch(() => {});
    for (const bus of [asking, watching]) {
      bus.on('error', (error: Error) => this.fail(error));
    }
  }

  /** Watches `session`, `system` or the bus at an address from when the promise resolves on. */
  static async start(which: string): Promise<BusMonitor> {
    const { text: address } = busAddress(which, process.env);
    const [asking, watching] = [await connect(address), await connect(address)];
    const monitor = new BusMonitor(address, asking, watching);
    await monitor.begin();
    return monitor;
  }

  /** Whom a unique name belongs to. */
  client(uniqueName: string): Promise<Client> {
    let client = this.clients.get(uniqueName);
    if (client === undefined) this.clients.set(uniqueName, (client = this.identify(uniqueName)));
    return client;
  }

  close(): void {
    this.watching.disconnect();
    this.asking.disconnect();
  }

  private async begin(): Promise<void> {
    // The messages that it sees are addressed to others, and a monitor that answers is disconnected.
    this.watching.addMethodHandler(() => true);
    this.watching.on('message', (message: dbus.Message) => this.saw(message));
    try {
      await Promise.race([this.becomeMonitor(), this.broken]);
    } catch (error) {
      throw new Error(
        `the bus at ${this.address} does not let this user watch it: ${textOf(error)}; ` +
          'run this as root, or as the user whose bus it is',
        { cause: error },
      );
    }
    const [names] = await this.ask('ListNames');
    for (const name of names as string[]) {
      if (name === DRIVER) continue;
      if (name.startsWith(':')) void this.client(name);
      else this.traffic.owned(name, await this.ownerOf(name));
    }
  }

  private becomeMonitor(): Promise<unknown> {
    const member = 'BecomeMonitor';
    const where = { destination: DRIVER, path: '/org/freedesktop/DBus' };
    const signature = { signature: 'asu', body: [[], 0] };
    const iface = 'org.freedesktop.DBus.Monitoring';
    return this.watching.call(
      new dbus.Message({ ...where, ...signature, interface: iface, member }),
    );
  }

  private saw({ type, sender, destination, member, body }: dbus.Message): void {
    this.messages++;
    if (sender === DRIVER) {
      if (member === 'NameOwnerChanged') this.changed(body as [string, string, string]);
      return;
    }
    if (type !== dbus.MessageType.METHOD_CALL || this.isOwn(sender)) return;
    if (destination === DRIVER) {
      if (member === 'AddMatch') this.traffic.asked(sender, String(body[0]));
      if (IDENTIFYING.has(member)) this.traffic.identified(sender);
    } else if (destination !== undefined) {
      void this.client(sender);
      this.traffic.called(sender, destination);
    }
  }

  private changed([name, , owner]: [string, string, string]): void {
    this.traffic.owned(name, owner);
    if (name.startsWith(':') && owner !== '' && !this.isOwn(name)) void this.client(name);
  }

  private isOwn(uniqueName: string): boolean {
    return uniqueName === nameOf(this.asking) || uniqueName === nameOf(this.watching);
  }

  private async ownerOf(name: string): Promise<string> {
    try {
      const [owner] = await this.ask('GetNameOwner', 's', [name]);
      return String(owner);
    } catch {
      return ''; // It has left meanwhile.
    }
  }

  private async identify(uniqueName: string): Promise<Client> {
    try {
      const [reply] = await this.ask('GetConnectionCredentials', 's', [uniqueName]);
      const entries = reply as Readonly<Record<string, dbus.Variant | undefined>>;
      const pid = entries['ProcessID']?.value as number | undefined;
      const uid = entries['UnixUserID']?.value as number | undefined;
      return { uniqueName, uid, pid, executable: executableOf(pid), unit: unitOf(pid) };
    } catch {
      return { uniqueName, uid: undefined, pid: undefined, executable: undefined, isGone: true };
    }
  }

  private async ask(
    member: string,
    signature = '',
    body: unknown[] = [],
  ): Promise<readonly unknown[]> {
    const where = { destination: DRIVER, path: '/org/freedesktop/DBus', interface: DRIVER };
    const call = this.asking.call(new dbus.Message({ ...where, member, signature, body }));
    const reply = await Promise.race([call, this.broken]);
    return reply?.body ?? [];
  }
}

async function connect(address: string): Promise<dbus.MessageBus> {
  const bus = dbus.sessionBus({ busAddress: address });
  try {
    await once(bus, 'connect');
  } catch (error) {
    throw new Error(`cannot reach the bus at ${address}: ${textOf(error)}`, { cause: error });
  }
  return bus;
}

/** dbus-next has it, and does not say so in its types. */
function nameOf(bus: dbus.MessageBus): unknown {
  return 'name' in bus ? bus.name : undefined;
}

function executableOf(pid: number | undefined): string | undefined {
  if (pid === undefined) return undefined;
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/** The last part of the control group, where that is a service or a scope of an application (systemd.unit(5)). */
function unitOf(pid: number | undefined): string | undefined {
  if (pid === undefined) return undefined;
  try {
    const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    const [, unit] = /\/([^/]+\.(?:service|scope))$/mu.exec(groups) ?? [];
    return unit === undefined || IS_SESSION.test(unit) ? undefined : unit;
  } catch {
    return undefined;
  }
}

/** What holds whole sessions says nothing about a program. */
const IS_SESSION = /^(?:session-.*|init)\.scope$|^user@.*\.service$/u;

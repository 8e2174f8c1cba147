import { readFileSync, readlinkSync } from 'node:fs';
import { readCredentials } from '#bridge/wire/connection-credentials.js';
import { isBody, typedBody, type Values } from '#bridge/wire/typed-body.js';
import { textOf } from '#bridge/control/startup-error.js';
import type { BusConnection } from '#bridge/socket/connection.js';
import { busAddress } from '#bridge/wire/bus-address.js';
import type { DecodedMessage } from '#bridge/wire/message.js';
import { DRIVER_NAME } from '#bridge/wire/standard-names.js';
import { MessageType } from '#bridge/wire/types.js';
import { reach } from './ask-bus.js';
import { Traffic } from './mappings-plan-traffic.js';

/** Methods of the bus that return the credentials of a name's owner. */
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
  private readonly asking: BusConnection;
  private readonly watching: BusConnection;
  private readonly clients = new Map<string, Promise<Client>>();

  private constructor(address: string, asking: BusConnection, watching: BusConnection) {
    this.address = address;
    this.asking = asking;
    this.watching = watching;
    this.broken = Promise.race([asking.lost, watching.lost]);
    this.broken.catch(() => {});
  }

  /** Watches `session`, `system` or the bus at an address from when the promise resolves on. */
  static async start(which: string): Promise<BusMonitor> {
    const { text: address } = busAddress(which, process.env);
    const [asking, watching] = [await reach('bus', address), await reach('bus', address)];
    const monitor = new BusMonitor(address, asking, watching);
    await monitor.begin();
    return monitor;
  }

  /** The client that a unique name belongs to. */
  client(uniqueName: string): Promise<Client> {
    let client = this.clients.get(uniqueName);
    if (client === undefined) this.clients.set(uniqueName, (client = this.identify(uniqueName)));
    return client;
  }

  close(): void {
    this.watching.close();
    this.asking.close();
  }

  private async begin(): Promise<void> {
    this.watching.onMessage = (message) => this.saw(message);
    try {
      await this.watching.becomeMonitor();
    } catch (error) {
      throw new Error(
        `the bus at ${this.address} does not let this user monitor it: ${textOf(error)}; ` +
          'run this as root, or as the user that runs the bus',
        { cause: error },
      );
    }
    const [names] = typedBody(await this.ask('ListNames'), 'as');
    for (const name of names) {
      if (name === DRIVER_NAME) continue;
      if (name.startsWith(':')) void this.client(name);
      else this.traffic.owned(name, await this.ownerOf(name));
    }
  }

  private saw({ type, sender = '', destination, member = '', body }: DecodedMessage): void {
    this.messages++;
    if (sender === DRIVER_NAME) {
      if (member === 'NameOwnerChanged' && isBody(body, 'sss')) this.changed(body);
      return;
    }
    if (type !== MessageType.MethodCall || this.isOwn(sender)) return;
    if (destination === DRIVER_NAME) {
      if (member === 'AddMatch') this.traffic.asked(sender, String(body[0]));
      if (IDENTIFYING.has(member)) this.traffic.identified(sender);
    } else if (destination !== undefined) {
      void this.client(sender);
      this.traffic.called(sender, destination);
    }
  }

  private changed([name, , owner]: Values<'sss'>): void {
    this.traffic.owned(name, owner);
    if (name.startsWith(':') && owner !== '' && !this.isOwn(name)) void this.client(name);
  }

  private isOwn(uniqueName: string): boolean {
    return uniqueName === this.asking.uniqueName || uniqueName === this.watching.uniqueName;
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
      const reply = await this.ask('GetConnectionCredentials', 's', [uniqueName]);
      const { pid, uid } = readCredentials(typedBody(reply, 'a{sv}')[0]);
      return { uniqueName, uid, pid, executable: executableOf(pid), unit: unitOf(pid) };
    } catch {
      return { uniqueName, uid: undefined, pid: undefined, executable: undefined, isGone: true };
    }
  }

  private ask(member: string, signature = '', body: unknown[] = []): Promise<readonly unknown[]> {
    return this.asking.call({ member, signature, body });
  }
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

/** Units that hold whole sessions, which say nothing about a program. */
const IS_SESSION = /^(?:session-.*|init)\.scope$|^user@.*\.service$/u;

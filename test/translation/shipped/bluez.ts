// The bluez5 template with one adapter and a phone. bluetoothd itself needs an adapter, and would talk
// with it to whoever is near.
import dbus from 'dbus-next';
import type { Capability } from '#bridge/client/index.js';
import { recorded } from '../../mappings/sources.js';
import { call } from '../bridge.js';
import { MockService } from './mock-service.js';
import type { Peers } from './peers.js';

export const NAME = 'org.bluez';
export const MANAGER = '/org/bluez';
export const ADAPTER = `${MANAGER}/hci0`;
export const PHONE = `${ADAPTER}/dev_00_11_22_33_44_55`;
export const OBJECT_MANAGER = 'org.freedesktop.DBus.ObjectManager';

/** Interfaces, and their properties, by name. */
export type Interfaces = Map<string, Map<string, { value: unknown }>>;

export const path = (value: string): dbus.Variant => new dbus.Variant('o', value);

export class Bluez {
  readonly mock: MockService;
  /** The object manager. */
  readonly root: Capability;

  private constructor(mock: MockService, root: Capability) {
    this.mock = mock;
    this.root = root;
  }

  static async start(peers: Peers): Promise<Bluez> {
    const options = { name: NAME, path: '/', template: 'bluez5', types: [recorded('bluez.xml')] };
    const mock = await MockService.start(peers, options);
    const bluez = new Bluez(mock, await peers.native.resolve(NAME));
    await mock.control('AddAdapter', 'ss', ['hci0', 'adapter'], '/', 'org.bluez.Mock');
    await bluez.addDevice('00:11:22:33:44:55', 'phone');
    return bluez;
  }

  async addDevice(address: string, alias: string): Promise<void> {
    await this.mock.control('AddDevice', 'sss', ['hci0', address, alias], '/', 'org.bluez.Mock');
  }

  async objects(): Promise<[Capability, Interfaces][]> {
    const all = await call(this.root, `${OBJECT_MANAGER}.GetManagedObjects`);
    return [...(all as Map<Capability, Interfaces>)];
  }

  adapter(): Promise<Capability> {
    return this.#find('org.bluez.Adapter1', 'adapter');
  }

  device(alias: string): Promise<Capability> {
    return this.#find('org.bluez.Device1', alias);
  }

  /** Calls the object that always has the same path. */
  async manager(member: string, signature: string, ...body: unknown[]): Promise<void> {
    const of = `org.bluez.${member.includes('Agent') ? 'Agent' : 'Profile'}Manager1`;
    await this.root.call({ path: MANAGER, interface: of, member, signature, body });
  }

  async #find(interfaceName: string, alias: string): Promise<Capability> {
    const all = await this.objects();
    const isIt = (of: Interfaces) => of.get(interfaceName)?.get('Alias')?.value === alias;
    return all.find(([, interfaces]) => isIt(interfaces))![0];
  }
}

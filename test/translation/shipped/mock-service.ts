// A service of python3-dbusmock: a test gives it objects, of the types that introspection data say.
import dbus from 'dbus-next';
import { type KnownInterfaces, interfacesIn } from '#bridge/introspection/known-interfaces.js';
import type { Argument } from '#bridge/introspection/introspection.js';
import { type Source, mockCommand } from '../../mappings/sources.js';
import { callBus } from '../../support/names.js';
import { PYTHON } from '../../support/software.js';
import { legacyCall } from '../bridge.js';
import type { Peers } from './peers.js';

const MOCK = 'org.freedesktop.DBus.Mock';
const ASK = 'org.example.Ask';
/* dbus-next has no descriptors here: a pipe is made where A_PIPE is given */
const ASK_CODE = `
values = [dbus.types.UnixFd(os.pipe()[0]) if value == "PIPE" else value for value in args[5]]
result = self.connection.call_blocking(args[0], args[1], args[2], args[3], args[4], values)
ret = [] if result is None else [result]`;

/** What an object of it does: Python by method, where `args` are given and `ret` is the result. */
export interface Behaviour {
  readonly code?: Readonly<Record<string, string>>;
  readonly properties?: Readonly<Record<string, unknown>>;
}

export interface MockOptions {
  readonly name: string;
  /** Where its first object is. */
  readonly path: string;
  /** What the first object is, unless it comes from a template. */
  readonly interface?: string;
  readonly template?: string;
  /** What says the types of its interfaces. */
  readonly types?: readonly Source[];
}

/** A call as the service sees it: with paths, like any other. */
export interface ServiceCall {
  readonly path: string;
  readonly args: readonly unknown[];
}

export class MockService {
  readonly #bus: dbus.MessageBus;
  readonly #name: string;
  readonly #path: string;
  readonly #types: KnownInterfaces;
  readonly #calls: (ServiceCall & { readonly member: string })[] = [];
  #wake = (): void => {};
  #canAsk = false;

  private constructor(bus: dbus.MessageBus, { name, path }: MockOptions, types: KnownInterfaces) {
    this.#bus = bus;
    this.#name = name;
    this.#path = path;
    this.#types = types;
    bus.on('message', ({ member, path: where, interface: of, body }: dbus.Message) => {
      if (member !== 'MethodCalled' || of !== MOCK) return;
      const [called, args] = body as [string, dbus.Variant[]];
      this.#calls.push({ member: called, path: where, args: args.map(({ value }) => value) });
      this.#wake();
    });
  }

  static async start(peers: Peers, options: MockOptions): Promise<MockService> {
    const { name, path, template, types = [] } = options;
    const nodes = await Promise.all(types.map((source) => source.read()));
    const mock = new MockService(peers.legacy, options, interfacesIn(nodes.flat()));
    const rule = `type='signal',sender='${name}',interface='${MOCK}',member='MethodCalled'`;
    await callBus(peers.legacy, 'AddMatch', 's', [rule]);
    const words = [PYTHON, '-m', 'dbusmock', '--session', name, path, options.interface ?? ''];
    await peers.bridge.service(template === undefined ? words : mockCommand(template), name);
    return mock;
  }

  /** A call of a legacy program, by default for one of the mock's own methods on its first object. */
  control(member: string, signature = '', body: unknown[] = [], path = this.#path, of = MOCK) {
    const to = { destination: this.#name, path, interface: of };
    return legacyCall(this.#bus, { ...to, member, signature, body });
  }

  /** Adds an object. */
  async add(path: string, interfaceName: string, behaviour: Behaviour = {}): Promise<void> {
    const { code, properties = {} } = behaviour;
    const values = this.#properties(interfaceName, properties);
    const body = [path, interfaceName, values, this.#methods(interfaceName, code)];
    await this.control('AddObject', 'ssa{sv}a(ssss)', body);
  }

  /** Adds an interface, or what is said of it, to an object. */
  async extend(path: string, interfaceName: string, behaviour: Behaviour): Promise<void> {
    const { code = {}, properties = {} } = behaviour;
    const methods = this.#methods(interfaceName, code).filter(([name]) => name in code);
    await this.control('AddMethods', 'sa(ssss)', [interfaceName, methods], path);
    const values = this.#properties(interfaceName, properties);
    await this.control('AddProperties', 'sa{sv}', [interfaceName, values], path);
  }

  remove(path: string): Promise<unknown> {
    return this.control('RemoveObject', 's', [path]);
  }

  /** Sends a signal, `to` one client if there is one. */
  async emit(
    path: string,
    [interfaceName, member]: readonly [string, string],
    values: readonly unknown[] = [],
    to?: string,
  ): Promise<void> {
    const signals = this.#types.get(interfaceName)?.signals ?? [];
    const types = signals.find(({ name }) => name === member)!.args.map(({ type }) => type);
    const args = types.map((type, index) => new dbus.Variant(type, values[index]));
    const details = to === undefined ? {} : { destination: new dbus.Variant('s', to) };
    const body = [interfaceName, member, types.join(''), args, details];
    await this.control('EmitSignalDetailed', 'sssava{sv}', body, path);
  }

  /** The next call of a method, of this object or whatever object; calls before it are passed over. */
  async called(member: string, of?: string): Promise<ServiceCall> {
    for (;;) {
      const call = this.#calls.shift();
      const isOfObject = of === undefined || of === call?.path;
      if (call?.member === member && isOfObject) return { path: call.path, args: call.args };
      if (call === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The service calls an object of a client's, and gets this answer. */
  async ask(
    client: string,
    path: string,
    [interfaceName, member]: readonly [string, string],
    signature = '',
    ...values: readonly dbus.Variant[]
  ): Promise<unknown> {
    if (!this.#canAsk) {
      await this.control('AddMethod', 'sssss', [ASK, 'Ask', 'sssssav', 'av', ASK_CODE]);
      this.#canAsk = true;
    }
    const body = [client, path, interfaceName, member, signature, values];
    const [answer] = await this.control('Ask', 'sssssav', body, this.#path, ASK);
    return (answer as dbus.Variant[])[0]?.value;
  }

  /** Values of the types that a method takes: as many nothings. */
  argumentsOf(interfaceName: string, member: string): { signature: string; values: unknown[] } {
    const methods = this.#types.get(interfaceName)?.methods ?? [];
    const types = methods.find(({ name }) => name === member)!.in.map(({ type }) => type);
    return { signature: types.join(''), values: types.map(nothing) };
  }

  #methods(interfaceName: string, code: Behaviour['code'] = {}): string[][] {
    const methods = this.#types.get(interfaceName)?.methods ?? [];
    return methods.map((one) => [one.name, types(one.in), types(one.out), code[one.name] ?? '']);
  }

  #properties(interfaceName: string, values: Readonly<Record<string, unknown>>) {
    const known = this.#types.get(interfaceName)?.properties ?? [];
    const entries = Object.entries(values).map(([name, value]) => {
      const { type } = known.find((property) => property.name === name)!;
      return [name, new dbus.Variant(type, value)] as const;
    });
    return Object.fromEntries(entries);
  }
}

/** For {@link MockService.ask}, where a descriptor is wanted. */
export const A_PIPE = new dbus.Variant('s', 'PIPE');

const types = (args: readonly Argument[]): string => args.map(({ type }) => type).join('');

function nothing(type: string): unknown {
  if (type.startsWith('a{')) return new Map();
  if (type === 'ay') return new Uint8Array(0);
  if (type.startsWith('a')) return [];
  if (type === 's') return '';
  if (type === 'b') return false;
  return type === 't' || type === 'x' ? 0n : 0;
}

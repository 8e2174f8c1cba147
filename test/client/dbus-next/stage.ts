import { once } from 'node:events';
import dbusNext from 'dbus-next';
import adapter from '#bridge/client/dbus-next/index.js';
import type { TransportKind } from '#bridge/client/index.js';

/** dbus-next, or what stands for it. */
export type Library = typeof dbusNext;
export const LIBRARIES = { 'dbus-next': dbusNext, 'bus1-bridge/dbus-next': adapter as Library };
export type LibraryName = keyof typeof LIBRARIES;

export type Message = dbusNext.Message;
/** Its types do not tell of `name`. */
export type MessageBus = dbusNext.MessageBus & { readonly name: string };
export type Proxy = dbusNext.ClientInterface;

export const NAME = 'org.example.Sample';
export const PATH = '/org/example/Sample';
export const BUS = 'org.freedesktop.DBus';
export const BUS_PATH = '/org/freedesktop/DBus';

/** Two connections: the service has exported a `Sample` and owns NAME. */
export interface Stage {
  readonly dbus: Library;
  readonly service: MessageBus;
  readonly client: MessageBus;
  readonly sample: Sample;
  readonly proxy: Proxy;
  readonly properties: Proxy;
  /** another connection of the client's kind, which is closed at the end */
  readonly open: () => Promise<MessageBus>;
}

/** The adapter takes a transport; dbus-next has but one, and passes over the option. */
export async function openBus(
  library: LibraryName,
  busAddress: string,
  transport?: TransportKind,
): Promise<MessageBus> {
  const options = { busAddress, ...(transport && { transport }) };
  const bus = LIBRARIES[library].sessionBus(options) as MessageBus;
  await once(bus, 'connect');
  return bus;
}

/** Runs `play` on a stage of its own. */
export async function withStage<T>(
  address: string,
  serviceLibrary: LibraryName,
  clientLibrary: LibraryName,
  play: (stage: Stage) => Promise<T>,
  transport?: TransportKind,
): Promise<T> {
  const opened: MessageBus[] = [];
  const open = async (library: LibraryName): Promise<MessageBus> => {
    const bus = await openBus(library, address, transport);
    opened.push(bus);
    return bus;
  };
  try {
    const service = await open(serviceLibrary);
    const sample = new Sample(NAME);
    service.export(PATH, sample);
    await service.requestName(NAME, 0);
    const client = await open(clientLibrary);
    const object = await client.getProxyObject(NAME, PATH);
    const proxy = object.getInterface(NAME);
    const properties = object.getInterface('org.freedesktop.DBus.Properties');
    const dbus = LIBRARIES[clientLibrary];
    return await play({
      dbus,
      service,
      client,
      sample,
      proxy,
      properties,
      open: () => open(clientLibrary),
    });
  } finally {
    for (const bus of opened) bus.disconnect();
  }
}

const { Interface } = dbusNext.interface;

/** A bit of everything that a service can do. */
export class Sample extends Interface {
  readonly said: unknown[] = [];
  #label = 'first';

  get Label(): string {
    return this.#label;
  }

  set Label(label: string) {
    if (label === '') throw new dbusNext.DBusError('org.example.Error.Empty', 'no label');
    this.#label = label;
    Sample.emitPropertiesChanged(this, { Label: label }, ['Secret']);
  }

  get Version(): number {
    return 7;
  }

  set Secret(secret: string) {
    this.said.push(secret);
  }

  get Broken(): string {
    throw new dbusNext.DBusError('org.example.Error.Broken', 'it is broken');
  }

  get Map(): object {
    return { a: new dbusNext.Variant('u', 1), b: new dbusNext.Variant('as', ['x']) };
  }

  Echo(value: unknown): unknown {
    return value;
  }

  Two(a: string, b: number): unknown[] {
    return [b, a];
  }

  async Later(value: string): Promise<string> {
    await new Promise((resolve) => setImmediate(resolve));
    return value;
  }

  Nothing(): void {}

  Refuse(): never {
    throw new dbusNext.DBusError('org.example.Error.Refused', 'on purpose');
  }

  async RefuseLater(): Promise<never> {
    throw new dbusNext.DBusError('org.example.Error.Refused', 'later');
  }

  Crash(): never {
    throw new RangeError('a mistake');
  }

  WrongCount(): unknown[] {
    return [1, 2, 3];
  }

  WrongType(): unknown {
    return 'text';
  }

  Silent(text: string): void {
    this.said.push(text);
  }

  Hang(): Promise<never> {
    this.said.push('hangs');
    return new Promise(() => {});
  }

  Say(text: string): void {
    this.Said(text);
  }

  Said(text: string): string {
    return text;
  }

  SaidTwo(text: string, number: number): unknown[] {
    return [text, number];
  }
}

Sample.configureMembers({
  properties: {
    Label: { signature: 's' },
    Version: { signature: 'u', access: 'read' },
    Secret: { signature: 's', access: 'write' },
    Broken: { signature: 's', access: 'read', disabled: true },
    Map: { signature: 'a{sv}', access: 'read' },
  },
  methods: {
    Echo: { inSignature: 'v', outSignature: 'v' },
    Two: { inSignature: 'su', outSignature: 'us' },
    Later: { inSignature: 's', outSignature: 's' },
    Nothing: {},
    Refuse: {},
    RefuseLater: {},
    Crash: {},
    WrongCount: { outSignature: 'uu' },
    WrongType: { outSignature: 'u' },
    Silent: { inSignature: 's', noReply: true },
    Hang: {},
    Say: { inSignature: 's' },
  },
  signals: { Said: { signature: 's' }, SaidTwo: { signature: 'su' } },
});

/** The next `count` messages of a connection for which `filter` holds. */
export function messages(
  bus: MessageBus,
  count: number,
  filter: (message: Message) => boolean,
): Promise<Message[]> {
  const found: Message[] = [];
  return new Promise((resolve) => {
    const take = (message: Message): void => {
      if (!filter(message) || found.push(message) < count) return;
      bus.removeListener('message', take);
      resolve(found);
    };
    bus.on('message', take);
  });
}

/** How something ended that was expected to fail: type, text, and who has answered so. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { unexpected: await promise };
  } catch (error) {
    const { type, text, reply } = error as dbusNext.DBusError;
    if (type === undefined) return { thrown: true };
    // What follows are the paths of the library's files.
    const [firstLine] = text.split('\n    at ');
    return {
      type,
      text: firstLine,
      from: reply?.sender?.startsWith(':') ? 'service' : reply?.sender,
    };
  }
}

/** The same where texts differ: each library has its own words for what cannot be marshalled. */
export async function failureType(promise: Promise<unknown>): Promise<unknown> {
  return ((await failure(promise)) as { type?: string }).type;
}

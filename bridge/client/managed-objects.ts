import { Subject } from 'rxjs';
import type { Variant } from '#bridge/wire/types.js';
import type {
  CallOptions,
  InterfaceDescription,
  NoMembers,
  Proxy,
} from './interface-description.js';
import { implement, type ServedInterface } from './served-interface.js';
import { Stream } from './stream.js';

/** D-Bus Specification, "org.freedesktop.DBus.ObjectManager". */
export const OBJECT_MANAGER = 'org.freedesktop.DBus.ObjectManager';

interface ObjectManagerMethods {
  GetManagedObjects(): WireObjects;
}

interface ObjectManagerSignals {
  InterfacesAdded: [object: string, interfaces: WireInterfaces];
  InterfacesRemoved: [object: string, interfaces: string[]];
}

type WireInterfaces = ReadonlyMap<string, ReadonlyMap<string, Variant>>;
type WireObjects = ReadonlyMap<string, WireInterfaces>;

export const ObjectManager: InterfaceDescription<
  ObjectManagerMethods,
  ObjectManagerSignals,
  NoMembers
> = {
  name: OBJECT_MANAGER,
  methods: { GetManagedObjects: { in: '', out: 'a{oa{sa{sv}}}', outNames: ['objects'] } },
  signals: {
    InterfacesAdded: { args: 'oa{sa{sv}}', argNames: ['object', 'interfaces'] },
    InterfacesRemoved: { args: 'oas', argNames: ['object', 'interfaces'] },
  },
  properties: {},
};

/** By interface, the values of its properties. */
export type InterfaceValues = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

export interface ManagedChange {
  readonly path: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** The remote objects that an object manager reports, kept up to date. */
export class ManagedObjects {
  /** every change, from now on */
  readonly changes: Stream<ManagedChange>;
  readonly #objects = new Map<string, Map<string, ReadonlyMap<string, unknown>>>();
  readonly #changed = new Subject<ManagedChange>();
  readonly #stops: (() => void)[] = [];
  readonly #open: <D extends InterfaceDescription>(path: string, description: D) => Proxy<D>;

  private constructor(
    open: <D extends InterfaceDescription>(path: string, description: D) => Proxy<D>,
  ) {
    this.#open = open;
    this.changes = new Stream((observer) => this.#changed.subscribe(observer));
  }

  /** @internal called by `bus.objects`; `open` makes a proxy of an object of the same name. */
  static async open(
    path: string,
    open: <D extends InterfaceDescription>(path: string, description: D) => Proxy<D>,
    options?: CallOptions,
  ): Promise<ManagedObjects> {
    const managed = new ManagedObjects(open);
    const { methods, signals } = open(path, ObjectManager);
    let early: (() => void)[] | undefined = [];
    const later = (apply: () => void): void => {
      if (early === undefined) apply();
      else early.push(apply);
    };
    const added = signals.InterfacesAdded.subscribe(([object, interfaces]) =>
      later(() => managed.#add(object, interfaces)),
    );
    const removed = signals.InterfacesRemoved.subscribe(([object, names]) =>
      later(() => managed.#remove(object, names)),
    );
    managed.#stops.push(
      () => added.unsubscribe(),
      () => removed.unsubscribe(),
    );
    try {
      await signals.InterfacesRemoved.ready();
      const all = await methods.GetManagedObjects(options);
      for (const [object, interfaces] of all) managed.#add(object, interfaces);
    } catch (error) {
      managed.close();
      throw error;
    }
    const waiting = early;
    early = undefined;
    for (const apply of waiting) apply();
    return managed;
  }

  /** By path, the interfaces of each object with the values that their properties had when it was reported. */
  get objects(): ReadonlyMap<string, InterfaceValues> {
    return this.#objects;
  }

  /** The paths of the objects that have an interface. */
  paths(iface: string | InterfaceDescription): string[] {
    const name = typeof iface === 'string' ? iface : iface.name;
    return [...this.#objects].filter(([, has]) => has.has(name)).map(([path]) => path);
  }

  /** One of the objects by an interface. */
  proxy<D extends InterfaceDescription>(description: D, path: string): Proxy<D> {
    return this.#open(path, description);
  }

  /** Stops following changes. */
  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#changed.complete();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #add(path: string, interfaces: WireInterfaces): void {
    let known = this.#objects.get(path);
    if (known === undefined) {
      known = new Map();
      this.#objects.set(path, known);
    }
    for (const [name, values] of interfaces) {
      known.set(name, new Map([...values].map(([key, { value }]) => [key, value])));
    }
    this.#changed.next({ path, added: [...interfaces.keys()], removed: [] });
  }

  #remove(path: string, names: readonly string[]): void {
    const known = this.#objects.get(path);
    for (const name of names) known?.delete(name);
    if (known?.size === 0) this.#objects.delete(path);
    this.#changed.next({ path, added: [], removed: names });
  }
}

/** The interface of an object that reports those below it. */
export function objectManager(objects: () => Promise<WireObjects>): ServedInterface {
  return implement(ObjectManager, { methods: { GetManagedObjects: objects } });
}

import { parseObjectPath } from '#bridge/wire/names.js';
import { DBusError, ErrorName } from './errors.js';
import type { IncomingHeader } from './incoming-header.js';
import type { CallTaker, IncomingCall } from './incoming-call.js';
import type { Variant } from '#bridge/wire/types.js';
import { ObjectManager } from './managed-objects.js';
import { INTROSPECTABLE, interfacesOf, introspectable, PEER, peer } from './object-interfaces.js';
import type { ServedInterface } from './served-interface.js';
import { ServedObject, type ObjectHome } from './served-object.js';

/** The objects that are served at paths, under every name of this process. */
export class ObjectTree implements CallTaker {
  /** takes calls to paths at which there is nothing; false: it does not take this one */
  fallback: ((call: IncomingCall) => boolean) | undefined;
  private readonly objects = new Map<string, ServedObject>();
  /** object managers, by path */
  private readonly managers = new Map<string, ServedObject>();
  /** the kind of the last call, and the object that it was for */
  private lastHeader: IncomingHeader | null = null;
  private lastObject: ServedObject | undefined;
  private telling = Promise.resolve();

  /** @throws TypeError for a path that is not valid, or is taken */
  add(
    path: string,
    served: readonly ServedInterface[],
    home: Pick<ObjectHome, 'emit' | 'close' | 'diagnose'>,
  ): ServedObject {
    if (parseObjectPath(path) === undefined)
      throw new TypeError(`'${path}' is not a valid object path`);
    if (this.objects.has(path))
      throw new TypeError(`there is an object at ${path} already: close() that first`);
    const object = ServedObject.create(served, {
      path,
      children: () => this.children(path),
      isHeard: () => true,
      emit: (signal) => home.emit(signal),
      diagnose: (error) => home.diagnose(error),
      close: () => {
        if (this.objects.get(path) !== object) return;
        this.objects.delete(path);
        this.lastHeader = null;
        this.managers.delete(path);
        this.tellManagers(path, object, 'InterfacesRemoved');
        home.close();
      },
    });
    this.objects.set(path, object);
    this.lastHeader = null;
    this.tellManagers(path, object, 'InterfacesAdded');
    return object;
  }

  /**
   * Makes the object at `path`, which was added with `objectManager`, report all objects that are served below it.
   */
  manage(path: string, manager: ServedObject): void {
    this.managers.set(path, manager);
  }

  /** What an object manager at `path` answers. */
  async managedBelow(path: string): Promise<Map<string, Map<string, Map<string, Variant>>>> {
    const found = new Map<string, Map<string, Map<string, Variant>>>();
    for (const [other, object] of Array.from(this.objects)) {
      if (isBelow(other, path)) found.set(other, await interfacesOf(object));
    }
    return found;
  }

  /** Getters may be slow: reports about objects stay in order all the same. */
  private tellManagers(
    path: string,
    object: ServedObject,
    member: 'InterfacesAdded' | 'InterfacesRemoved',
  ): void {
    const managers = Array.from(this.managers).flatMap(([at, manager]) =>
      isBelow(path, at) ? [manager] : [],
    );
    const [first] = managers;
    if (first === undefined) return;
    const interfaces = interfacesOf(object);
    this.telling = this.telling
      .then(async () => {
        const values = await interfaces;
        for (const manager of managers) {
          const emitter = manager.emitter(ObjectManager);
          if (member === 'InterfacesAdded') emitter.InterfacesAdded(path, values);
          else emitter.InterfacesRemoved(path, [...values.keys()]);
        }
      })
      .catch((error) => first.diagnose(error));
  }

  // hot
  take(call: IncomingCall): void {
    const object = this.find(call.header);
    if (object !== undefined) object.take(call);
    else if (this.fallback?.(call) !== true) this.takeElsewhere(call);
  }

  // hot
  private find(header: IncomingHeader): ServedObject | undefined {
    if (header !== this.lastHeader) {
      this.lastObject = this.objects.get(header.path!);
      this.lastHeader = header;
    }
    return this.lastObject;
  }

  /** Every path can be pinged, and those above objects can be introspected. */
  private takeElsewhere(call: IncomingCall): void {
    const { path, interface: iface, member } = call;
    const children = this.children(path);
    if (iface === PEER) return ServedObject.create([peer], this.nowhere(children)).take(call);
    const isIntrospect =
      member === 'Introspect' && (iface === undefined || iface === INTROSPECTABLE);
    if (isIntrospect && (children.size > 0 || path === '/')) {
      const interfaces = [
        peer,
        introspectable(
          () => [],
          () => [],
        ),
      ].map(({ description }) => description);
      const served = introspectable(
        () => interfaces,
        () => children,
      );
      return ServedObject.create([served], this.nowhere(children)).take(call);
    }
    call.refuse(new DBusError(ErrorName.UnknownObject, `there is no object at ${path}`));
  }

  private nowhere(children: Iterable<string>): ObjectHome {
    return {
      path: '/',
      children: () => children,
      isHeard: () => false,
      emit() {},
      close() {},
      diagnose() {},
    };
  }

  private children(path: string): Set<string> {
    const prefix = path === '/' ? '/' : `${path}/`;
    const names = new Set<string>();
    for (const other of this.objects.keys()) {
      if (other.length > prefix.length && other.startsWith(prefix)) {
        names.add(other.slice(prefix.length).replace(/\/.*/su, ''));
      }
    }
    return names;
  }
}

function isBelow(path: string, above: string): boolean {
  return path !== above && path.startsWith(above === '/' ? '/' : `${above}/`);
}

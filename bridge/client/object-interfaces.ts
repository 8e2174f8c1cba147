import { readFileSync } from 'node:fs';
import { Variant } from '#bridge/wire/types.js';
import { DBusError, ErrorName } from './errors.js';
import type { Call } from './incoming-call.js';
import type { InterfaceDescription } from './interface-description.js';
import { introspectionXml } from './introspection-xml.js';
import type { ServedObject } from './served-object.js';
import { implement, type ServedInterface, type ServedProperty } from './served-interface.js';
import { INTROSPECTABLE, PEER, PROPERTIES } from '#bridge/wire/standard-names.js';

/** The interfaces that every object has: D-Bus Specification, "Standard Interfaces". */
export { INTROSPECTABLE, PEER, PROPERTIES };

const STANDARD = [PEER, INTROSPECTABLE, PROPERTIES, 'org.freedesktop.DBus.ObjectManager'];

const NONE = {};

const Peer: InterfaceDescription = {
  name: PEER,
  methods: { Ping: { in: '', out: '' }, GetMachineId: { in: '', out: 's' } },
  signals: NONE,
  properties: NONE,
};

const Introspectable: InterfaceDescription = {
  name: INTROSPECTABLE,
  methods: { Introspect: { in: '', out: 's' } },
  signals: NONE,
  properties: NONE,
};

const Properties: InterfaceDescription = {
  name: PROPERTIES,
  methods: {
    Get: { in: 'ss', out: 'v' },
    Set: { in: 'ssv', out: '' },
    GetAll: { in: 's', out: 'a{sv}' },
  },
  signals: { PropertiesChanged: { args: 'sa{sv}as' } },
  properties: NONE,
};

export const peer = implement(Peer, { methods: { Ping() {}, GetMachineId: machineId } });

/** `children`: names of the objects below. */
export function introspectable(
  described: () => Iterable<InterfaceDescription>,
  children: () => Iterable<string>,
): ServedInterface {
  return implement(Introspectable, {
    methods: { Introspect: () => introspectionXml(described(), children()) },
  });
}

export function properties(object: ServedObject): ServedInterface {
  return implement(Properties, {
    methods: {
      async Get(iface: string, name: string, call: Call) {
        const property = propertyOf(object, iface, name);
        if (property.get === undefined) {
          throw new DBusError(ErrorName.AccessDenied, `the property ${name} cannot be read`);
        }
        return new Variant(property.type, await property.get(call));
      },
      async Set(iface: string, name: string, { signature, value }: Variant, call: Call) {
        const { type, set } = propertyOf(object, iface, name);
        if (set === undefined) {
          throw new DBusError(ErrorName.PropertyReadOnly, `the property ${name} cannot be set`);
        }
        if (signature !== type) {
          const why = `the property ${name} is of type '${type}', not '${signature}'`;
          throw new DBusError(ErrorName.InvalidArgs, why);
        }
        await set(value, call);
        object.changed(iface, name);
      },
      GetAll: (iface: string, call: Call) => allOf(object, iface, call),
    },
  });
}

/** Of one interface, or of all of them (''). @throws DBusError */
async function allOf(
  object: ServedObject,
  iface: string,
  call?: Call,
): Promise<Map<string, Variant>> {
  const values = new Map<string, Variant>();
  if (iface !== '') mustHave(object, iface);
  for (const served of object.interfaces.values()) {
    if (iface !== '' && served.name !== iface) continue;
    for (const [name, { type, get }] of served.properties) {
      if (get !== undefined) values.set(name, new Variant(type, await get(call)));
    }
  }
  return values;
}

/** What object managers report about an object: its own interfaces, with the values of their properties. */
export async function interfacesOf(
  object: ServedObject,
): Promise<Map<string, Map<string, Variant>>> {
  const found = new Map<string, Map<string, Variant>>();
  for (const name of object.interfaces.keys()) {
    if (!STANDARD.includes(name)) found.set(name, await allOf(object, name));
  }
  return found;
}

function propertyOf(object: ServedObject, iface: string, name: string): ServedProperty {
  if (iface !== '') mustHave(object, iface);
  for (const served of object.interfaces.values()) {
    const property =
      iface === '' || served.name === iface ? served.properties.get(name) : undefined;
    if (property !== undefined) return property;
  }
  throw new DBusError(ErrorName.UnknownProperty, `there is no property ${iface}.${name}`);
}

function mustHave(object: ServedObject, iface: string): void {
  if (object.interfaces.has(iface)) return;
  throw new DBusError(ErrorName.UnknownInterface, `the object has no interface ${iface}`);
}

function machineId(): string {
  for (const path of ['/var/lib/dbus/machine-id', '/etc/machine-id']) {
    try {
      const id = readFileSync(path, 'utf8').trim();
      if (/^[0-9a-f]{32}$/.test(id)) return id;
    } catch {
      continue;
    }
  }
  throw new DBusError(ErrorName.Failed, 'this machine has no machine-id');
}

/** The changed properties of an interface, as PropertiesChanged has them; a promise if a getter returns one. */
export function changes(
  { name, properties: known }: ServedInterface,
  names: readonly string[],
): readonly unknown[] | Promise<readonly unknown[]> | undefined {
  const told = names.flatMap((each) => {
    const property = known.get(each);
    return property?.get && property.emitsChanged === undefined ? [{ each, property }] : [];
  });
  const invalidated = names.filter((each) => known.get(each)?.emitsChanged === 'invalidates');
  if (told.length + invalidated.length === 0) return undefined;
  const values = told.map(({ property }) => property.get!());
  const body = (all: readonly unknown[]): readonly unknown[] => {
    const variants = told.map(
      ({ each, property }, i) => [each, new Variant(property.type, all[i])] as const,
    );
    return [name, new Map(variants), invalidated];
  };
  const isPromised = values.some((value) => value instanceof Promise);
  return isPromised ? Promise.all(values).then(body) : body(values);
}

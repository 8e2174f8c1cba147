import type { Mapping, ObjectKind, ObjectPlace } from './mapping.js';
import {
  OBJECT_MANAGER,
  PROPERTIES,
  isVisible,
  permitsMember,
  toLegacyInterface,
  toNativeInterface,
} from './members.js';
import { mostSpecific, objectFor } from './objects.js';
import { changeAt, changeVariant } from './place.js';

/** Which part of a conversation a body belongs to. */
export type MessagePart = 'call' | 'return' | 'signal';

/** A message whose body is translated; interface and member are named as the service does. */
export interface MappedMessage {
  readonly part: MessagePart;
  readonly interface: string;
  readonly member: string;
  /** For a return: the arguments of the call, with the service's names for interfaces. */
  readonly call?: readonly unknown[];
  /** The kind of object behind the handle that the message goes through; for a kind with `only`. */
  readonly object?: ObjectKind;
}

/** Returns what replaces a path at a place: a handle, in the form that the caller uses. */
export type ToHandle = (path: string, kind: ObjectKind, busName: string | undefined) => unknown;

/**
 * The path for a handle. Any other value is returned as it is, except a path that one of the kinds
 * matches: this throws, since a native peer has no right to an object that it was not given.
 * `busName`: the connection that the object is said to belong to; absent: the service.
 */
export type ToPath = (
  handle: unknown,
  kinds: readonly ObjectKind[],
  busName: string | undefined,
) => unknown;

/** The path that means "no object" where a service has none to name. */
const NO_OBJECT = '/';

/**
 * The body as a native peer gets it: at the mapped places, paths that match have become handles;
 * interfaces have their native names; properties that are left out are gone. Values are as the
 * wire folder decodes them. A path that matches no kind, and `/`, stay what they are.
 */
export function toNative(
  mapping: Mapping,
  message: MappedMessage,
  body: readonly unknown[],
  toHandle: ToHandle,
): unknown[] {
  const translation: Translation = {
    mapping,
    message,
    rename: (name) => toNativeInterface(mapping, name),
    replace: (value, kinds) => pathToHandle(value, kinds, toHandle),
    replaceAny: (path) => {
      const found = typeof path === 'string' ? objectFor(mapping, path) : undefined;
      return found === undefined ? path : toHandle(String(path), found.kind, undefined);
    },
    isShown: (name, property) => {
      const reference = { interface: name, member: property };
      const { object } = message;
      return object ? permitsMember(mapping, object, reference) : isVisible(mapping, reference);
    },
  };
  return translate(translation, body);
}

/**
 * The body as the service gets it, or as a legacy caller gets it from a native service: handles
 * have become paths, and interfaces have the service's names.
 */
export function toLegacy(
  mapping: Mapping,
  message: MappedMessage,
  body: readonly unknown[],
  toPath: ToPath,
): unknown[] {
  const kinds = [...mapping.objects.values()].filter(({ owner }) => owner === 'service');
  const translation: Translation = {
    mapping,
    message,
    rename: (name) => toLegacyInterface(mapping, name),
    replace: (value, kinds) =>
      isReference(value)
        ? [value[0], toPath(value[1], kinds, value[0])]
        : toPath(value, kinds, undefined),
    replaceAny: (value) => toPath(value, kinds, undefined),
    isShown: () => true,
  };
  return translate(translation, body);
}

interface Translation {
  readonly mapping: Mapping;
  readonly message: MappedMessage;
  readonly rename: (interfaceName: string) => string;
  readonly replace: (value: unknown, kinds: readonly ObjectKind[]) => unknown;
  /** For a value that may be the path of any kind of object. */
  readonly replaceAny: (value: unknown) => unknown;
  readonly isShown: (interfaceName: string, property: string) => boolean;
}

/** A bus name and a path or handle, by which one connection names an object of another. */
function isReference(value: unknown): value is [string, unknown] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  // Without this, an array of two paths would look like a reference.
  return typeof value[0] === 'string' && !value[0].startsWith('/');
}

function pathToHandle(value: unknown, kinds: readonly ObjectKind[], toHandle: ToHandle): unknown {
  if (isReference(value)) {
    const [busName, path] = value;
    return [busName, pathToHandle(path, kinds, (one, kind) => toHandle(one, kind, busName))];
  }
  if (typeof value !== 'string') return value;
  const found = mostSpecific(kinds, value);
  const isNothing = value === NO_OBJECT && found?.kind.paths.every(({ text }) => text !== value);
  return found === undefined || isNothing ? value : toHandle(value, found.kind, undefined);
}

function translate(translation: Translation, body: readonly unknown[]): unknown[] {
  const { interface: name } = translation.message;
  if (name === PROPERTIES) return propertiesBody(translation, body);
  if (name === OBJECT_MANAGER) return managerBody(translation, body);
  const changed = atPlaces(translation, placesOf(translation), [...body]);
  if (Array.isArray(changed)) return changed;
  throw new TypeError('a place of a body is not in one of its values');
}

function placesOf({ mapping, message }: Translation): readonly ObjectPlace[] {
  const mapped = mapping.interfaces.get(message.interface);
  if (message.part === 'signal') return mapped?.signals.get(message.member)?.args ?? [];
  const method = mapped?.methods.get(message.member);
  return (message.part === 'call' ? method?.in : method?.out) ?? [];
}

function atPlaces(
  { replace }: Translation,
  places: readonly ObjectPlace[],
  value: unknown,
): unknown {
  let changed = value;
  for (const { place, kinds } of places) {
    changed = changeAt(changed, place, (found) => replace(found, kinds));
  }
  return changed;
}

/** org.freedesktop.DBus.Properties: "Standard Interfaces" in the D-Bus Specification. */
function propertiesBody(translation: Translation, body: readonly unknown[]): unknown[] {
  const { message, rename } = translation;
  const interfaceName = legacyInterface(translation, body);
  const property = (name: unknown, value: unknown): unknown =>
    propertyValue(translation, interfaceName, String(name), value);
  if (message.part === 'return') {
    const [value] = body;
    if (message.member === 'Get') return [property(message.call?.[1], value)];
    if (message.member === 'GetAll') return [allProperties(translation, interfaceName, value)];
    return [...body];
  }
  const [name, ...rest] = body;
  const renamed = rename(String(name));
  if (message.part === 'signal') {
    const [changed, invalidated] = rest;
    const shown = Array.isArray(invalidated)
      ? invalidated.filter((one) => translation.isShown(interfaceName, String(one)))
      : invalidated;
    return [renamed, allProperties(translation, interfaceName, changed), shown];
  }
  if (message.member !== 'Set') return [renamed, ...rest];
  return [renamed, rest[0], property(rest[0], rest[1])];
}

/** The interface that a message of org.freedesktop.DBus.Properties is about, as its service says. */
function legacyInterface({ mapping, message }: Translation, body: readonly unknown[]): string {
  const [name] = message.part === 'return' ? (message.call ?? []) : body;
  return toLegacyInterface(mapping, String(name));
}

function propertyValue(
  translation: Translation,
  interfaceName: string,
  property: string,
  value: unknown,
): unknown {
  const mapped = translation.mapping.interfaces.get(interfaceName)?.properties.get(property);
  if (mapped === undefined) return value;
  return changeVariant(value, (inner) => atPlaces(translation, mapped.places, inner));
}

/** An `a{sv}` of properties of one interface. */
function allProperties(translation: Translation, interfaceName: string, value: unknown): unknown {
  if (!(value instanceof Map)) return value;
  const entries: [unknown, unknown][] = [...(value as ReadonlyMap<unknown, unknown>)];
  return new Map(
    entries
      .filter(([name]) => translation.isShown(interfaceName, String(name)))
      .map(([name, one]) => [name, propertyValue(translation, interfaceName, String(name), one)]),
  );
}

/** org.freedesktop.DBus.ObjectManager: "Standard Interfaces" in the D-Bus Specification. */
function managerBody(translation: Translation, body: readonly unknown[]): unknown[] {
  const { message, replaceAny, rename } = translation;
  const [first, second] = body;
  if (message.member === 'GetManagedObjects' && first instanceof Map) {
    const objects: [unknown, unknown][] = [...(first as ReadonlyMap<unknown, unknown>)];
    return [
      new Map(objects.map(([path, one]) => [replaceAny(path), allInterfaces(translation, one)])),
    ];
  }
  if (message.member === 'InterfacesAdded') {
    return [replaceAny(first), allInterfaces(translation, second)];
  }
  if (message.member === 'InterfacesRemoved' && Array.isArray(second)) {
    return [replaceAny(first), second.map((name) => rename(String(name)))];
  }
  return [...body];
}

/** An `a{sa{sv}}` of the interfaces of one object. */
function allInterfaces(translation: Translation, value: unknown): unknown {
  if (!(value instanceof Map)) return value;
  const entries: [unknown, unknown][] = [...(value as ReadonlyMap<unknown, unknown>)];
  return new Map(
    entries.map(([name, properties]) => {
      const legacy = toLegacyInterface(translation.mapping, String(name));
      return [translation.rename(String(name)), allProperties(translation, legacy, properties)];
    }),
  );
}

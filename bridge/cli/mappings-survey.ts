import type { SeenObject } from '#bridge/introspection/check-objects.js';
import type { IntrospectedInterface } from '#bridge/introspection/introspection.js';
import { interfacesIn } from '#bridge/introspection/known-interfaces.js';
import type { Mapping } from '#mappings/index.js';
import { textOf } from '#bridge/control/startup-error.js';
import type { OldBus } from './mappings-bus.js';

/** A service may have a great many objects; far fewer are enough to see their kinds. */
const OBJECTS_MAX = 1000;

/** What was found out about one service. */
export interface Survey {
  readonly name: string;
  readonly objects: readonly SeenObject[];
  /** True if there are more objects than were read. */
  readonly isCut: boolean;
  /** Objects that could not be introspected, and why. */
  readonly failures: readonly string[];
}

const OBJECT_MANAGER = 'org.freedesktop.DBus.ObjectManager';

/** The path that the main object of a service has by convention. */
export function pathOfName(name: string): string {
  return `/${name.replaceAll('.', '/').replaceAll('-', '_')}`;
}

/** The interfaces of services. What several objects report about one interface is merged. */
export async function surveyInterfaces(
  bus: OldBus,
  names: readonly string[],
  mapping: Mapping,
): Promise<IntrospectedInterface[]> {
  const surveys = await Promise.all(names.map((name) => survey(bus, name, fixedPaths(mapping))));
  const nodes = surveys.flatMap(({ objects }) => objects.map(({ node }) => node));
  return [...interfacesIn(nodes).values()];
}

/** The paths of the service's objects that always have the same path. */
export function fixedPaths(mapping: Mapping): string[] {
  return [...mapping.objects.values()]
    .flatMap(({ owner, paths }) => (owner === 'service' ? paths : []))
    .filter(({ variables }) => variables.length === 0)
    .map(({ text }) => text);
}

/**
 * Walks the object tree of a service, starting the service if need be. Not every service lists all of its objects:
 * those at `paths` are read, too. Throws if the service does not introspect at all.
 */
export async function survey(
  bus: OldBus,
  name: string,
  paths: readonly string[] = [],
): Promise<Survey> {
  const known = new Set(['/', pathOfName(name), ...paths]);
  const waiting = [...known];
  const objects: SeenObject[] = [];
  const failures: string[] = [];
  const add = (path: string): void => {
    if (!known.has(path)) waiting.push(path);
    known.add(path);
  };
  for (const path of waiting) {
    if (objects.length === OBJECTS_MAX) break;
    try {
      const node = await bus.introspect(name, path);
      objects.push({ path, node });
      for (const child of node.children) add(`${path === '/' ? '' : path}/${child.name}`);
      if (!node.interfaces.some((one) => one.name === OBJECT_MANAGER)) continue;
      for (const managed of await bus.managedObjects(name, path)) add(managed);
    } catch (error) {
      failures.push(`${name} ${path}: ${textOf(error)}`);
    }
  }
  const isSilent = objects.every(({ node }) => node.interfaces.length + node.children.length === 0);
  if (isSilent) throw new Error(failures[0] ?? `${name} has no objects in its introspection data`);
  return { name, objects, isCut: objects.length === OBJECTS_MAX, failures };
}

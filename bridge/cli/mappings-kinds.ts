import { STANDARD_INTERFACES } from '#mappings/index.js';
import type { SeenObject } from '#bridge/introspection/check-objects.js';

/** Objects of a service that seem to be of one kind. */
export interface DraftKind {
  readonly name: string;
  readonly paths: readonly string[];
  readonly interfaces: readonly string[];
  readonly isManager: boolean;
  /** Whether it is the object that the name leads to. */
  readonly isRoot: boolean;
  /** How many such objects have been seen. */
  readonly count: number;
}

const OBJECT_MANAGER = 'org.freedesktop.DBus.ObjectManager';

/** Whether an object has more than the interfaces that every object has. */
export function hasMore({ node }: SeenObject): boolean {
  return node.interfaces.some(
    ({ name }) => name === OBJECT_MANAGER || !STANDARD_INTERFACES.has(name),
  );
}

/**
 * Sorts the objects that have interfaces of their own into kinds. The one at `root` is a kind of its own; other
 * objects belong together if they share an interface that the root lacks, because an interface that even the root
 * has does not characterise an object.
 */
export function draftKinds(
  service: string,
  objects: readonly SeenObject[],
  root: string | undefined,
): DraftKind[] {
  const telling = objects.filter((object) => hasMore(object));
  const main = telling.filter(({ path }) => path === root);
  const general = new Set(main.flatMap((object) => ownInterfaces(object)));
  const others = groupByInterface(
    telling.filter(({ path }) => path !== root),
    general,
  );
  const taken = new Set<string>();
  const groups = others.toSorted((a, b) => shortestPath(a) - shortestPath(b));
  return [
    ...(main.length > 0 ? [draftKind(service, main, new Set(), true, taken)] : []),
    ...groups.map((group) => draftKind(service, group, general, false, taken)),
  ];
}

function groupByInterface(
  objects: readonly SeenObject[],
  general: ReadonlySet<string>,
): SeenObject[][] {
  const groups: { readonly names: ReadonlySet<string>; readonly objects: SeenObject[] }[] = [];
  for (const object of objects) {
    const names = ownInterfaces(object).filter((name) => !general.has(name));
    const related = groups.filter((group) => names.some((name) => group.names.has(name)));
    for (const group of related) groups.splice(groups.indexOf(group), 1);
    groups.push({
      names: new Set([...related.flatMap((group) => [...group.names]), ...names]),
      objects: [...related.flatMap((group) => group.objects), object],
    });
  }
  return groups.map((group) => group.objects);
}

function draftKind(
  service: string,
  objects: readonly SeenObject[],
  general: ReadonlySet<string>,
  isRoot: boolean,
  taken: Set<string>,
): DraftKind {
  const interfaces = new Set(objects.flatMap((object) => ownInterfaces(object)));
  const count = (name: string): number =>
    objects.filter((object) => ownInterfaces(object).includes(name)).length;
  // First the one that characterises the objects: when an object loses it, it has ended.
  const ordered = [...interfaces].toSorted(
    (a, b) =>
      Number(general.has(a)) - Number(general.has(b)) ||
      count(b) - count(a) ||
      Number(b.startsWith(service)) - Number(a.startsWith(service)) ||
      a.length - b.length ||
      (a < b ? -1 : 1),
  );
  return {
    name: unusedName(ordered[0] ?? 'root', taken),
    paths: pathPatterns(objects.map(({ path }) => path)),
    interfaces: ordered,
    isManager: objects.some(({ node }) =>
      node.interfaces.some((one) => one.name === OBJECT_MANAGER),
    ),
    isRoot,
    count: objects.length,
  };
}

function ownInterfaces({ node }: SeenObject): string[] {
  return node.interfaces.map(({ name }) => name).filter((name) => !STANDARD_INTERFACES.has(name));
}

function shortestPath(objects: readonly SeenObject[]): number {
  return Math.min(...objects.map(({ path }) => path.length));
}

/** `org.bluez.Device1` -> `device`, with a number if that is taken. */
function unusedName(interfaceName: string, taken: Set<string>): string {
  const last = interfaceName.split('.').at(-1)!;
  const word = snakeCase(last).replace(/_?\d+$/, '');
  let name = word;
  for (let number = 2; taken.has(name); number++) name = `${word}_${number}`;
  taken.add(name);
  return name;
}

/** `DeviceAdded` -> `device_added`. */
export function snakeCase(text: string): string {
  return text
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]{2,})([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
}

/** One pattern for all paths with equally many elements, with variables where they differ. */
export function pathPatterns(paths: readonly string[]): string[] {
  const byDepth = new Map<number, string[][]>();
  for (const path of paths) {
    const elements = path.split('/').slice(1);
    const known = byDepth.get(elements.length);
    if (known === undefined) byDepth.set(elements.length, [elements]);
    else known.push(elements);
  }
  return [...byDepth].map(([depth, group]) => `/${commonElements(depth, group).join('/')}`);
}

/** `group`: paths of `depth` elements. */
function commonElements(depth: number, group: readonly (readonly string[])[]): string[] {
  const variables = new Set<string>();
  const elements: string[] = [];
  for (let index = 0; index < depth; index++) {
    const column = group.map((path) => path[index] ?? '');
    const [first = ''] = column;
    if (column.every((element) => element === first)) {
      elements.push(first);
      continue;
    }
    const variable = unusedVariable(elements.at(-1) ?? 'id', variables);
    elements.push(`${commonPrefix(first, column)}{${variable}}`);
  }
  return elements;
}

/** What all begin with, up to a `_`: `dev_` of `dev_00_11` and `dev_00_12`. */
function commonPrefix(first: string, elements: readonly string[]): string {
  const end = first.indexOf('_') + 1;
  const prefix = first.slice(0, end);
  return elements.every((one) => one.startsWith(prefix) && one.length > end) ? prefix : '';
}

/** A variable is named after the element before it: `devices` -> `device`. */
function unusedVariable(before: string, taken: Set<string>): string {
  const word = snakeCase(before).replace(/s$/, '');
  const base = /^[a-z_]+$/.test(word) ? word : 'id';
  let name = base;
  for (let number = 2; taken.has(name); number++) name = `${base}${number}`;
  taken.add(name);
  return name;
}

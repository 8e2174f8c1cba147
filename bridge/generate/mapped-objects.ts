import type { Argument, Property } from '#bridge/introspection/introspection.js';
import { toNativeInterface, type Mapping, type ObjectKind, type Place } from '#mappings/index.js';
import { docComment } from './doc-comment.js';
import { pascal, stringLiteral, type InterfaceIdentifiers } from './identifiers.js';
import { bracketed, print, union } from './layout.js';
import type { MappedView } from './mapped-view.js';
import type { TypeWriter } from './type-text.js';

/** Where a value holds an object, and the TypeScript types that this may have. */
export interface ObjectTypes {
  readonly place: Place;
  readonly types: readonly string[];
}

/** The types in a module for the kinds of objects of a mapping. */
export class MappedObjects {
  readonly #mapping: Mapping;
  readonly #view: MappedView;
  readonly #interfaces: ReadonlyMap<string, InterfaceIdentifiers>;
  /** by the kind's name; those without an interface in the module are any capability */
  readonly #identifiers = new Map<string, string>();

  constructor(
    mapping: Mapping,
    view: MappedView,
    interfaces: ReadonlyMap<string, InterfaceIdentifiers>,
  ) {
    this.#mapping = mapping;
    this.#view = view;
    this.#interfaces = interfaces;
    const taken = new Set([...interfaces.values()].flatMap((one) => Object.values(one)));
    for (const kind of mapping.objects.values()) {
      if (kind.owner === 'caller' || this.#descriptions(kind).length === 0) continue;
      const wanted = `${pascal(kind.name)}Object`;
      let free = wanted;
      for (let number = 2; taken.has(free); number++) free = `${wanted}_${number}`;
      taken.add(free);
      this.#identifiers.set(kind.name, free);
    }
  }

  /** The objects that an argument or a property holds. */
  at(holder: Argument | Property, types: TypeWriter): readonly ObjectTypes[] {
    const places = this.#view.places.get(holder) ?? [];
    return places.map(({ place, kinds }) => ({
      place,
      types: [...new Set(kinds.map((kind) => this.#type(kind, types)))],
    }));
  }

  /** A type for each kind, and what the names of the service lead to. */
  declarations(types: TypeWriter): string[] {
    const kinds = [...this.#identifiers].map(([name, identifier]) => {
      const descriptions = this.#descriptions(this.#mapping.objects.get(name)!);
      const comment = docComment([`A capability to a "${name}" of ${this.#mapping.service}.`]);
      const all = union(descriptions.map((one) => `typeof ${one}`));
      const type = bracketed(`${types.imported('CapabilityTo')}<`, [all], '>', { trailing: '' });
      return `${comment}${print([`export type ${identifier} = `, type, ';'])}\n`;
    });
    const names = this.#names(types);
    if (names.length === 0) return kinds;
    const head = `declare module 'bus1-bridge' {\n  interface MappedNames {\n`;
    return [...kinds, `${head}${names.join('')}  }\n}\n`];
  }

  /**
   * The members of MappedNames: a name, which counts before patterns, and the names below a prefix. TypeScript requires
   * the type of a pattern to fit all names that it matches.
   */
  #names(types: TypeWriter): string[] {
    /* as for every name, `*` would hide the names of other modules */
    const entries = this.#mapping.names.filter(({ pattern }) => pattern !== '*');
    const prefixes = entries.filter(({ pattern }) => pattern.endsWith('.*'));
    const exact = new Map(prefixes.map(({ pattern, object }) => [pattern.slice(0, -2), object]));
    for (const { pattern, object } of entries) {
      if (!pattern.endsWith('.*')) exact.set(pattern, object);
    }
    const lines = [...exact].map(([name, object]) => [stringLiteral(name), [object]] as const);
    const patterns = prefixes.map(({ pattern, object }) => {
      const prefix = pattern.slice(0, -'*'.length);
      const below = prefixes.filter((other) => other.pattern.startsWith(prefix));
      const named = [...exact].filter(([name]) => name.startsWith(prefix));
      const all = [object, ...below.map((other) => other.object), ...named.map(([, kind]) => kind)];
      return [`[name: \`${prefix}\${string}\`]`, all] as const;
    });
    return [...lines, ...patterns].map(([key, kinds]) => {
      const type = union([...new Set(kinds.map((kind) => this.#type(kind, types)))]);
      return `${print([`${key}: `, type, ';'], 2)}\n`;
    });
  }

  #type(kind: ObjectKind, types: TypeWriter): string {
    return this.#identifiers.get(kind.name) ?? types.imported('Capability');
  }

  #descriptions({ interfaces, only }: ObjectKind): string[] {
    const names = only === undefined ? interfaces : [...only.keys()];
    return names.flatMap(
      (name) => this.#interfaces.get(toNativeInterface(this.#mapping, name))?.description ?? [],
    );
  }
}

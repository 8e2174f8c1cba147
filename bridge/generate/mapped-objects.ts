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

/** What stands for the kinds of objects of a mapping in a module. */
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

  /** What an argument or a property holds. */
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
    const names = this.#mapping.names.flatMap(({ pattern, object }) =>
      nameKeys(pattern).map((key) => `    ${key}: ${this.#type(object, types)};\n`),
    );
    if (names.length === 0) return kinds;
    const head = `declare module 'bus1-bridge' {\n  interface MappedNames {\n`;
    return [...kinds, `${head}${names.join('')}  }\n}\n`];
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

/** The keys of names in an interface type. That of every name would hide those of other modules. */
function nameKeys(pattern: string): string[] {
  if (pattern === '*') return [];
  if (!pattern.endsWith('.*')) return [stringLiteral(pattern)];
  const prefix = pattern.slice(0, -'.*'.length);
  return [stringLiteral(prefix), `[name: \`${prefix}.\${string}\`]`];
}

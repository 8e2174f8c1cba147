import type { Argument, Property } from '#bridge/introspection/introspection.js';
import type { CompleteType } from '#bridge/wire/signature.js';
import { singleType } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { parameterNames } from './identifiers.js';
import { bracketed, group, union, type Layout } from './layout.js';
import type { ObjectTypes } from './mapped-objects.js';

/** Basic types and variants; the names with a capital are imported. */
const PLAIN_TYPES: ReadonlyMap<number, string> = new Map<number, string>([
  [TypeCode.Byte, 'number'],
  [TypeCode.Boolean, 'boolean'],
  [TypeCode.Int16, 'number'],
  [TypeCode.UInt16, 'number'],
  [TypeCode.Int32, 'number'],
  [TypeCode.UInt32, 'number'],
  [TypeCode.Int64, 'bigint'],
  [TypeCode.UInt64, 'bigint'],
  [TypeCode.Double, 'number'],
  [TypeCode.String, 'string'],
  [TypeCode.Signature, 'string'],
  [TypeCode.UnixFd, 'FileDescriptor'],
  [TypeCode.Variant, 'Variant'],
]);

const PROPERTY_TYPES = { read: 'ReadOnly', write: 'WriteOnly', readwrite: 'ReadWrite' } as const;

/** What is known of the objects in an argument or a property. */
type ObjectsIn = (holder: Argument | Property) => readonly ObjectTypes[];

/** Writes D-Bus types as TypeScript types, and remembers what a module has to import for them. */
export class TypeWriter {
  readonly imports = new Set<string>();
  /** returns nothing, except in a module for a mapping */
  objectsIn: ObjectsIn = () => [];

  /** An imported type, by its name. */
  imported(name: string): string {
    this.imports.add(name);
    return name;
  }

  /** The complete type of an argument or a property. */
  type(holder: Argument | Property): Layout {
    return this.#complete(singleType(holder.type), this.objectsIn(holder));
  }

  /** Arguments as the parameters of a function. */
  parameters(args: readonly Argument[]): Layout {
    return bracketed('(', this.#named(args, parameterNames(args)), ')');
  }

  /** Arguments as a tuple, with names if any has one. */
  tuple(args: readonly Argument[]): Layout {
    const areNamed = args.some(({ name }) => name !== '');
    return bracketed('[', this.#named(args, areNamed ? parameterNames(args) : []), ']');
  }

  /** What a method returns. */
  result(args: readonly Argument[]): Layout {
    const [first] = args;
    if (first === undefined) return 'void';
    return args.length === 1 ? this.type(first) : this.tuple(args);
  }

  /** A property's type and access, as the interface description has them. */
  property(property: Property): Layout {
    const wrapper = this.imported(PROPERTY_TYPES[property.access]);
    return bracketed(`${wrapper}<`, [this.type(property)], '>', { trailing: '' });
  }

  #named(args: readonly Argument[], names: readonly (string | undefined)[]): Layout[] {
    return args.map((argument, index) => {
      const name = names[index];
      const type = this.type(argument);
      return name === undefined ? type : [`${name}: `, type];
    });
  }

  #complete(type: CompleteType, objects: readonly ObjectTypes[], isElement = false): Layout {
    switch (type.code) {
      case TypeCode.Array:
        return this.#array(type.element, objects);
      case TypeCode.StructBegin:
        return bracketed('[', this.#fields(type.children, objects), ']');
      case TypeCode.ObjectPath:
        return this.#object(objects, isElement);
      default:
        return this.#plain(PLAIN_TYPES.get(type.code)!);
    }
  }

  #array(element: CompleteType, objects: readonly ObjectTypes[]): Layout {
    if (element.code === TypeCode.Byte) return 'Uint8Array';
    const each = inside(objects, 'each');
    if (element.code === TypeCode.DictEntryBegin) {
      const both = [
        this.#complete(element.key, inside(objects, 'keys'), true),
        this.#complete(element.value, each, true),
      ];
      return bracketed('Map<', both, '>', { trailing: '' });
    }
    const type = this.#complete(element, each, true);
    const isUnion = element.code === TypeCode.ObjectPath && typesAt(each).length > 1;
    return isUnion ? ['(', type, ')[]'] : [type, '[]'];
  }

  #fields(types: readonly CompleteType[], objects: readonly ObjectTypes[]): Layout[] {
    /* A reference as in AT-SPI: a program, and the path of one of its objects, which is translated. */
    const isReference = types.map(({ code }) => code).join() === REFERENCE;
    return types.map((type, index) => {
      const whole = isReference && index === 1 ? objects.filter(({ place }) => !place.length) : [];
      return this.#complete(type, [...inside(objects, index), ...whole]);
    });
  }

  /** An object by a capability. '/', which leads to none, stays what it is; lists have no such elements. */
  #object(objects: readonly ObjectTypes[], isElement: boolean): Layout {
    const types = typesAt(objects);
    if (types.length === 0) return this.imported('ObjectReference');
    return group(union(isElement ? types : [...types, "'/'"]));
  }

  #plain(name: string): string {
    return /^[A-Z]/.test(name) ? this.imported(name) : name;
  }
}

const REFERENCE = [TypeCode.String, TypeCode.ObjectPath].join();

/** What is known about the inside of a value, after one step. */
function inside(objects: readonly ObjectTypes[], step: 'each' | 'keys' | number): ObjectTypes[] {
  return objects.flatMap(({ place: [first, ...rest], types }) => {
    if (first === undefined) return [];
    const isIt = first.take === 'field' ? first.index === step : first.take === step;
    return isIt ? [{ place: rest, types }] : [];
  });
}

function typesAt(objects: readonly ObjectTypes[]): string[] {
  return [
    ...new Set(objects.filter(({ place }) => place.length === 0).flatMap(({ types }) => types)),
  ];
}

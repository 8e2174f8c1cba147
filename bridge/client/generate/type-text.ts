import type { Argument, Property } from '#bridge/introspection/introspection.js';
import type { CompleteType } from '#bridge/wire/signature.js';
import { signatureTypes } from '#bridge/wire/signature.js';
import { TypeCode } from '#bridge/wire/types.js';
import { parameterNames } from './identifiers.js';
import { bracketed, type Layout } from './layout.js';

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
  [TypeCode.ObjectPath, 'ObjectReference'],
  [TypeCode.Variant, 'Variant'],
]);

const PROPERTY_TYPES = { read: 'ReadOnly', write: 'WriteOnly', readwrite: 'ReadWrite' } as const;

/** Writes D-Bus types as TypeScript types, and remembers what a module has to import for them. */
export class TypeWriter {
  readonly imports = new Set<string>();

  /** An imported type, by its name. */
  imported(name: string): string {
    this.imports.add(name);
    return name;
  }

  /** One complete type. */
  type(signature: string): Layout {
    return this.#complete(signatureTypes(signature)[0]);
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
    if (args.length === 0) return 'void';
    return args.length === 1 ? this.type(args[0].type) : this.tuple(args);
  }

  /** A property's type and access, as the interface description has them. */
  property({ type, access }: Property): Layout {
    return bracketed(`${this.imported(PROPERTY_TYPES[access])}<`, [this.type(type)], '>', {
      trailing: '',
    });
  }

  #named(args: readonly Argument[], names: readonly (string | undefined)[]): Layout[] {
    return args.map(({ type }, index) => {
      const name = names[index];
      return name === undefined ? this.type(type) : [`${name}: `, this.type(type)];
    });
  }

  #complete({ code, children }: CompleteType): Layout {
    switch (code) {
      case TypeCode.Array:
        return this.#array(children[0]);
      case TypeCode.StructBegin:
        return bracketed('[', this.#all(children), ']');
      default:
        return this.#plain(PLAIN_TYPES.get(code)!);
    }
  }

  #array(element: CompleteType): Layout {
    if (element.code === TypeCode.Byte) return 'Uint8Array';
    if (element.code !== TypeCode.DictEntryBegin) return [this.#complete(element), '[]'];
    return bracketed('Map<', this.#all(element.children), '>', { trailing: '' });
  }

  #all(types: readonly CompleteType[]): Layout[] {
    return types.map((type) => this.#complete(type));
  }

  #plain(name: string): string {
    return /^[A-Z]/.test(name) ? this.imported(name) : name;
  }
}

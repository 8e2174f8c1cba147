import { parseInterfaceName, parseMemberName } from '#bridge/wire/names.js';
import { parseSignatureText } from '#bridge/wire/signature.js';
import { readXml } from './xml-element.js';
import type { TextPosition, XmlElement } from './xml-element.js';

/*
 * The data that org.freedesktop.DBus.Introspectable.Introspect returns for an object: D-Bus Specification,
 * "Introspection Data Format". A parameter without a name in the data has an empty one here.
 */

export interface Argument {
  readonly name: string;
  /** One complete type. */
  readonly type: string;
}

/** The values of `<annotation>` elements, by name, such as `org.freedesktop.DBus.Deprecated`. */
export type Annotations = ReadonlyMap<string, string>;

export interface Method {
  readonly name: string;
  readonly in: readonly Argument[];
  readonly out: readonly Argument[];
  readonly annotations: Annotations;
}

export interface Signal {
  readonly name: string;
  readonly args: readonly Argument[];
  readonly annotations: Annotations;
}

export type PropertyAccess = 'read' | 'write' | 'readwrite';

export interface Property {
  readonly name: string;
  readonly type: string;
  readonly access: PropertyAccess;
  readonly annotations: Annotations;
}

export interface IntrospectedInterface {
  readonly name: string;
  readonly methods: readonly Method[];
  readonly signals: readonly Signal[];
  readonly properties: readonly Property[];
  readonly annotations: Annotations;
}

export interface IntrospectedNode {
  /** The object path of the outermost node, a relative path for nodes inside it; absent where not given. */
  readonly name?: string;
  readonly interfaces: readonly IntrospectedInterface[];
  readonly children: readonly IntrospectedNode[];
}

/** Why a text is not valid introspection data; line and column count from 1. */
export class IntrospectionError extends Error {
  readonly code = 'INTROSPECTION';
  readonly source: string;
  readonly line: number;
  readonly column: number;
  readonly complaint: string;

  constructor(source: string, { line, column }: TextPosition, complaint: string) {
    super(`${source}:${line}:${column}: ${complaint}`);
    this.name = 'IntrospectionError';
    this.source = source;
    this.line = line;
    this.column = column;
    this.complaint = complaint;
  }
}

/**
 * Reads introspection data. Skips elements that the format does not know, as documentation.
 * `source` is the file, or the service and path, that errors name.
 * Throws {@link IntrospectionError} for malformed XML, invalid names and invalid types.
 */
export function parseIntrospection(xml: string, source = 'introspection'): IntrospectedNode {
  const reader = new IntrospectionReader(source);
  const root = readXml(xml, (at, complaint) => new IntrospectionError(source, at, complaint));
  if (root.name !== 'node') throw reader.error(root, `the root element is not <node>`);
  return reader.node(root);
}

class IntrospectionReader {
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  error(element: XmlElement, complaint: string): IntrospectionError {
    return new IntrospectionError(this.#source, element.at, `<${element.name}>: ${complaint}`);
  }

  node(element: XmlElement): IntrospectedNode {
    const { name } = element.attributes;
    return {
      ...(name !== undefined && { name }),
      interfaces: named(element, 'interface').map((child) => this.#interface(child)),
      children: named(element, 'node').map((child) => this.#child(child)),
    };
  }

  #child(element: XmlElement): IntrospectedNode {
    const name = this.#required(element, 'name');
    if (!/^\w+(?:\/\w+)*$/.test(name))
      throw this.error(element, `"${name}" is not a relative path`);
    return this.node(element);
  }

  #interface(element: XmlElement): IntrospectedInterface {
    const name = this.#required(element, 'name');
    if (parseInterfaceName(name) === undefined) {
      throw this.error(element, `"${name}" is not a valid interface name`);
    }
    return {
      name,
      methods: named(element, 'method').map((child) => this.#method(child)),
      signals: named(element, 'signal').map((child) => this.#signal(child)),
      properties: named(element, 'property').map((child) => this.#property(child)),
      annotations: this.#annotations(element),
    };
  }

  #method(element: XmlElement): Method {
    const args = named(element, 'arg');
    // "Direction" is optional for methods, too, and means "in" there.
    const isOut = (arg: XmlElement): boolean => this.#direction(arg) === 'out';
    return {
      name: this.#member(element),
      in: args.filter((arg) => !isOut(arg)).map((arg) => this.#argument(arg)),
      out: args.filter(isOut).map((arg) => this.#argument(arg)),
      annotations: this.#annotations(element),
    };
  }

  #direction(element: XmlElement): string {
    const { direction = 'in' } = element.attributes;
    if (direction === 'in' || direction === 'out') return direction;
    throw this.error(element, `direction must be in or out, not "${direction}"`);
  }

  #signal(element: XmlElement): Signal {
    return {
      name: this.#member(element),
      args: named(element, 'arg').map((arg) => this.#argument(arg)),
      annotations: this.#annotations(element),
    };
  }

  #property(element: XmlElement): Property {
    const access = this.#required(element, 'access');
    if (access !== 'read' && access !== 'write' && access !== 'readwrite') {
      throw this.error(element, `access must be read, write or readwrite, not "${access}"`);
    }
    return {
      // The specification sets no rule for the names of properties.
      name: this.#required(element, 'name'),
      type: this.#type(element),
      access,
      annotations: this.#annotations(element),
    };
  }

  #argument(element: XmlElement): Argument {
    return { name: element.attributes.name ?? '', type: this.#type(element) };
  }

  #member(element: XmlElement): string {
    const name = this.#required(element, 'name');
    if (parseMemberName(name) !== undefined) return name;
    throw this.error(element, `"${name}" is not a valid member name`);
  }

  #type(element: XmlElement): string {
    const type = this.#required(element, 'type');
    if (parseSignatureText(type)?.types.length === 1) return type;
    throw this.error(element, `"${type}" is not a single complete type`);
  }

  #annotations(element: XmlElement): Annotations {
    return new Map(
      named(element, 'annotation').map((child) => [
        this.#required(child, 'name'),
        child.attributes.value ?? '',
      ]),
    );
  }

  #required(element: XmlElement, attribute: string): string {
    const value = element.attributes[attribute];
    if (value !== undefined && value !== '') return value;
    throw this.error(element, `the attribute "${attribute}" is missing or empty`);
  }
}

function named(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

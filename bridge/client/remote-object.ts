import {
  parseIntrospection,
  type Annotations,
  type Argument,
  type IntrospectedInterface,
} from '#bridge/introspection/introspection.js';
import { ClientError } from './errors.js';
import type {
  CallOptions,
  InterfaceDescription,
  MethodDescription,
  PropertyDescription,
  Proxy,
  SignalDescription,
} from './interface-description.js';

const EMITS_CHANGED = 'org.freedesktop.DBus.Property.EmitsChangedSignal';
const NO_REPLY = 'org.freedesktop.DBus.Method.NoReply';

/** How a remote object is reached. */
export interface ObjectAccess {
  introspect(options: CallOptions): Promise<string>;
  proxy<D extends InterfaceDescription>(description: D): Proxy<D>;
}

/** A remote object, used by its introspection data: no description is needed. */
export class RemoteObject {
  readonly name: string;
  readonly path: string;
  /** by name */
  readonly interfaces: ReadonlyMap<string, InterfaceDescription>;
  /** names of the objects below */
  readonly children: readonly string[];
  readonly #access: ObjectAccess;

  private constructor(
    name: string,
    path: string,
    interfaces: readonly IntrospectedInterface[],
    children: readonly string[],
    access: ObjectAccess,
  ) {
    this.name = name;
    this.path = path;
    this.interfaces = new Map(interfaces.map((each) => [each.name, describe(each)]));
    this.children = children;
    this.#access = access;
  }

  /** @internal called by `bus.object` */
  static async open(
    name: string,
    path: string,
    access: ObjectAccess,
    options: CallOptions,
  ): Promise<RemoteObject> {
    const xml = await access.introspect(options);
    const { interfaces, children } = parseIntrospection(xml, `${name}${path}`);
    const names = children.flatMap((child) => child.name ?? []);
    return new RemoteObject(name, path, interfaces, names, access);
  }

  /**
   * The object by one of its interfaces: by a description, which types it, or by the name of one.
   *
   * @throws ClientError `NoInterface` for a name that the object does not have
   */
  as<D extends InterfaceDescription>(description: D): Proxy<D>;
  as(name: string): Proxy<InterfaceDescription>;
  as(wanted: InterfaceDescription | string): Proxy<InterfaceDescription> {
    if (typeof wanted !== 'string') return this.#access.proxy(wanted);
    const description = this.interfaces.get(wanted);
    if (description !== undefined) return this.#access.proxy(description);
    const known = [...this.interfaces.keys()].join(', ');
    const why = `${this.name}${this.path} has no interface ${wanted}; it has ${known || 'none'}`;
    throw new ClientError('NoInterface', why);
  }
}

/**
 * An interface as introspection data describe it. Of two methods with one name the first counts: D-Bus has no
 * overloading.
 */
export function describe(described: IntrospectedInterface): InterfaceDescription {
  const { name, annotations } = described;
  const methods: Record<string, MethodDescription> = {};
  const signals: Record<string, SignalDescription> = {};
  const properties: Record<string, PropertyDescription> = {};
  for (const each of described.methods) {
    if (Object.hasOwn(methods, each.name)) continue;
    methods[each.name] = {
      in: signatureOf(each.in),
      out: signatureOf(each.out),
      inNames: namesOf(each.in),
      outNames: namesOf(each.out),
      annotations: Object.fromEntries(each.annotations),
      ...(isTrue(each.annotations, NO_REPLY) ? { noReply: true } : {}),
    };
  }
  for (const each of described.signals) {
    signals[each.name] = {
      args: signatureOf(each.args),
      argNames: namesOf(each.args),
      annotations: Object.fromEntries(each.annotations),
    };
  }
  for (const { name: property, type, access, annotations: notes } of described.properties) {
    const emits = notes.get(EMITS_CHANGED) ?? annotations.get(EMITS_CHANGED);
    const emitsChanged =
      emits === 'invalidates' || emits === 'const' || emits === 'false' ? emits : undefined;
    properties[property] = {
      type,
      access,
      annotations: Object.fromEntries(notes),
      ...(emitsChanged === undefined ? {} : { emitsChanged }),
    };
  }
  return { name, methods, signals, properties, annotations: Object.fromEntries(annotations) };
}

function signatureOf(args: readonly Argument[]): string {
  return args.map(({ type }) => type).join('');
}

function namesOf(args: readonly Argument[]): readonly string[] {
  return args.map(({ name }) => name);
}

function isTrue(annotations: Annotations, name: string): boolean {
  return annotations.get(name) === 'true';
}

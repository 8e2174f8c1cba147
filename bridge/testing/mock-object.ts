import { DBusError, ErrorName } from '#bridge/client/errors.js';
import { IncomingCall, type Call } from '#bridge/client/incoming-call.js';
import type {
  InterfaceDescription,
  MethodDescription,
} from '#bridge/client/interface-description.js';
import { describe } from '#bridge/client/remote-object.js';
import { ServedInterface } from '#bridge/client/served-interface.js';
import type { ServedObject } from '#bridge/client/served-object.js';
import { parseIntrospection } from '#bridge/introspection/introspection.js';
import { signatureTypes, singleType, type CompleteType } from '#bridge/wire/signature.js';
import { Variant } from '#bridge/wire/types.js';

/** What a method returns: a function of its arguments and the call, or always the same value. */
export type MockAnswer = unknown;

/** An object: its interfaces, by introspection data or descriptions, and what it answers. */
export interface MockDefinition {
  /** what `Introspect` would answer, such as the output of `gdbus introspect --xml` */
  readonly introspection?: string;
  readonly interfaces?: readonly InterfaceDescription[];
  /** by `Member` or `interface.Member`; a method without an answer returns 0, '', false, or empty containers */
  readonly methods?: Readonly<Record<string, MockAnswer>>;
  /** by `Property` or `interface.Property`; without a value it is like what a method returns */
  readonly properties?: Readonly<Record<string, unknown>>;
  /** it reports the objects below it (`org.freedesktop.DBus.ObjectManager`) */
  readonly isManager?: boolean;
}

/** The standard interfaces, which every served object has without a mock. */
const STANDARD = /^org\.freedesktop\.DBus\.(?:Introspectable|Properties|Peer|ObjectManager)$/;

export type NoteCall = (iface: string, member: string, args: unknown[], call: Call) => void;

/** An object of a mock: what it answers can be changed at any time. */
export class MockObject {
  readonly path: string;
  readonly interfaces: readonly InterfaceDescription[];
  /** by `interface.Member` */
  readonly #answers = new Map<string, MockAnswer>();
  readonly #values = new Map<string, unknown>();
  #served: ServedObject | undefined;

  /** Called by `MockService.add`. @throws IntrospectionError, TypeError for members that no interface has */
  constructor(path: string, definition: MockDefinition) {
    const { introspection, interfaces = [], methods = {}, properties = {} } = definition;
    const described =
      introspection === undefined
        ? []
        : parseIntrospection(introspection, path).interfaces.map(describe);
    this.path = path;
    this.interfaces = [...described, ...interfaces].filter(({ name }) => !STANDARD.test(name));
    for (const [name, answer] of Object.entries(methods)) this.answer(name, answer);
    for (const [name, value] of Object.entries(properties)) {
      this.#values.set(this.#find('properties', name).key, value);
    }
  }

  /** From now on a method returns this, or what this function returns; a DBusError that it throws is the answer. */
  answer(method: string, answer: MockAnswer): void {
    this.#answers.set(this.#find('methods', method).key, answer);
  }

  /** Gives a property another value, and notifies all subscribers. */
  set(property: string, value: unknown): void {
    const { key, iface, member } = this.#find('properties', property);
    this.#values.set(key, value);
    this.#served?.changed(iface, member);
  }

  /** The value of a property, which a program may have set. */
  get(property: string): unknown {
    const { key, iface, member } = this.#find('properties', property);
    const described = iface.properties[member];
    return this.#values.get(key) ?? (described && emptyValue(singleType(described.type)));
  }

  /** Sends a signal. */
  emit(signal: string, ...args: readonly unknown[]): void {
    const { iface, member } = this.#find('signals', signal);
    const emitter = this.#served?.emitter(iface);
    emitter?.[member]?.(...args);
  }

  /** @internal what is given to `serve` */
  serve(note: NoteCall): ServedInterface[] {
    return this.interfaces.map((iface) => this.#implement(iface, note));
  }

  /** @internal */
  attach(served: ServedObject | undefined): void {
    this.#served = served;
  }

  close(): void {
    this.#served?.close();
    this.#served = undefined;
  }

  #implement(iface: InterfaceDescription, note: NoteCall): ServedInterface {
    const methods: Record<string, (...args: unknown[]) => unknown> = {};
    const properties: Record<string, object> = {};
    for (const [member, method] of Object.entries(iface.methods)) {
      methods[member] = (...args) => {
        const call = args.at(-1);
        if (call instanceof IncomingCall) note(iface.name, member, args.slice(0, -1), call);
        return this.#reply(`${iface.name}.${member}`, method, args);
      };
    }
    for (const member of Object.keys(iface.properties)) {
      const key = `${iface.name}.${member}`;
      properties[member] = {
        get: () => this.get(key),
        set: (value: unknown, call: Call) => {
          note('org.freedesktop.DBus.Properties', 'Set', [iface.name, member, value], call);
          this.#values.set(key, value);
        },
      };
    }
    return ServedInterface.of(iface, { methods, properties });
  }

  #reply(key: string, { out }: MethodDescription, args: unknown[]): unknown {
    if (this.#answers.has(key)) {
      const answer = this.#answers.get(key);
      return typeof answer === 'function' ? Reflect.apply(answer, undefined, args) : answer;
    }
    const values = signatureTypes(out).map(emptyValue);
    return values.length === 1 ? values[0] : values;
  }

  #find(kind: 'methods' | 'properties' | 'signals', name: string): Found {
    const dot = name.lastIndexOf('.');
    const member = name.slice(dot + 1);
    for (const iface of this.interfaces) {
      if (dot >= 0 && iface.name !== name.slice(0, dot)) continue;
      if (!Object.hasOwn(iface[kind], member)) continue;
      return { key: `${iface.name}.${member}`, iface, member };
    }
    const known = this.interfaces.flatMap((iface) =>
      Object.keys(iface[kind]).map((each) => `${iface.name}.${each}`),
    );
    const what = known.length === 0 ? 'none' : known.join(', ');
    throw new TypeError(`the mock at ${this.path} has no ${name} among its ${kind}: ${what}`);
  }
}

interface Found {
  readonly key: string;
  readonly iface: InterfaceDescription;
  readonly member: string;
}

/** @throws DBusError for a descriptor: there is none that a test has not opened */
function emptyValue(type: CompleteType): unknown {
  switch (type.text[0]) {
    case 'b':
      return false;
    case 's':
    case 'g':
      return '';
    case 'o':
      return '/';
    case 'x':
    case 't':
      return 0n;
    case 'v':
      return new Variant('s', '');
    case '(':
      return type.children.map(emptyValue);
    case 'a':
      if (type.text === 'ay') return new Uint8Array();
      return type.text[1] === '{' ? new Map() : [];
    case 'h':
      throw new DBusError(ErrorName.NotSupported, 'this mock cannot reply with a file descriptor');
    default:
      return 0;
  }
}

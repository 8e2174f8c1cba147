import { createRequire } from 'node:module';
import type dbusNext from 'dbus-next';

/** What a decorator of dbus-next takes, and the `finisher` that it adds: the proposal of 2018. */
interface OldDescriptor {
  readonly key: string;
  readonly descriptor: { value?: unknown };
  /** notes the member on the prototype of its class */
  finisher?: (klass: { readonly prototype: object }) => void;
}

type OldDecorator = (member: OldDescriptor) => OldDescriptor;

interface DecoratorContext {
  readonly kind: string;
  readonly name: string | symbol;
  addInitializer(initializer: (this: object) => void): void;
}

interface OldDecorators {
  property(options: object): OldDecorator;
  method(options: object): OldDecorator;
  signal(options: object): OldDecorator;
}

type Declared = typeof dbusNext.interface;

/** What it really is: its type declarations are for `experimentalDecorators`. */
interface Library {
  readonly interface: Omit<Declared, keyof OldDecorators> & OldDecorators;
}

const required: Library = createRequire(import.meta.url)('dbus-next');
const library = required.interface;

/**
 * `dbus-next.interface` with decorators that work with every proposal that is in use: that of 2018, for which dbus-next
 * was written, `experimentalDecorators` of TypeScript, and the decorators of ECMAScript.
 */
export const decorated: Declared = {
  ...library,
  property: (options: object) => forAll(library.property(options)),
  method: (options?: object) => forAll(library.method(options ?? {})),
  signal: (options?: object) => forAll(library.signal(options ?? {})),
};

/** One decorator for all proposals: what it is called with tells which it is. Its types are those of the second. */
function forAll(old: OldDecorator): PropertyDecorator & MethodDecorator {
  function decorate(target: object, key: string | symbol): void;
  function decorate<T>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<T>,
  ): TypedPropertyDescriptor<T>;
  function decorate(target: unknown, where?: unknown, descriptor?: { value?: unknown }): unknown {
    if (where === undefined && isOldDescriptor(target)) return old(target);
    if (isContext(where)) return decorateMember(old, target, where);
    const member: OldDescriptor = { key: String(where), descriptor: descriptor ?? {} };
    if (isObject(target)) old(member).finisher?.({ prototype: target });
    return descriptor;
  }
  return decorate;
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function isOldDescriptor(value: unknown): value is OldDescriptor {
  return isObject(value) && 'key' in value && 'descriptor' in value;
}

function isContext(value: unknown): value is DecoratorContext {
  return isObject(value) && 'kind' in value && 'addInitializer' in value;
}

function decorateMember(old: OldDecorator, target: unknown, context: DecoratorContext): unknown {
  const member: OldDescriptor = { key: String(context.name), descriptor: { value: target } };
  old(member);
  // There is no class yet: each object notes its members when it is made.
  context.addInitializer(function note() {
    member.finisher?.({ prototype: this });
  });
  const { value } = member.descriptor;
  return context.kind === 'method' && value !== target ? value : undefined;
}

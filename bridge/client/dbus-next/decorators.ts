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

const library = (
  createRequire(import.meta.url)('dbus-next') as { readonly interface: OldDecorators }
).interface;

/**
 * `dbus-next.interface` with decorators that work with every proposal that is in use: that of 2018, for which dbus-next
 * was written, `experimentalDecorators` of TypeScript, and the decorators of ECMAScript.
 */
export const decorated = {
  ...library,
  property: (options: object) => forAll(library.property(options)),
  method: (options: object = {}) => forAll(library.method(options)),
  signal: (options: object = {}) => forAll(library.signal(options)),
} as unknown as typeof dbusNext.interface;

function forAll(old: OldDecorator): OldDecorator {
  const decorate = (
    target: unknown,
    where?: unknown,
    descriptor?: { value?: unknown },
  ): unknown => {
    if (where === undefined) return old(target as OldDescriptor);
    if (typeof where !== 'string') {
      return decorateMember(old, target, where as DecoratorContext);
    }
    const member: OldDescriptor = { key: where, descriptor: descriptor ?? {} };
    old(member).finisher?.({ prototype: target as object });
    return descriptor;
  };
  return decorate as OldDecorator;
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

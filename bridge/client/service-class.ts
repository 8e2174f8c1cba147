import type {
  InterfaceDescription,
  MethodDescription,
  PropertyAccess,
  PropertyDescription,
  SignalDescription,
} from './interface-description.js';
import { ServedInterface } from './served-interface.js';
import type { ServedObject } from './served-object.js';

/*
 * A service as a class, with the decorators of ECMAScript (TC39): an option beside `implement`.
 *
 *   class Greeter {
 *     @method('s', 's') Greet(name) { this.Greeted(name); return `Hello, ${name}!`; }
 *     @property('u') accessor Level = 1;
 *     @signal('s') Greeted(name) {}
 *   }
 *   bus.serve('/greeter', serviceOf('org.example.Greeter', new Greeter()));
 */

interface Members {
  readonly methods: Map<string, MethodDescription>;
  readonly signals: Map<string, SignalDescription>;
  readonly properties: Map<string, PropertyDescription>;
  /** where its signals go; undefined until it is served */
  emit: ((name: string, args: readonly unknown[]) => void) | undefined;
}

/** What the decorators of its class have declared, by object. */
const known = new WeakMap<object, Members>();

function membersOf(instance: unknown): Members {
  if (typeof instance !== 'object' || instance === null) throw new TypeError('not an object');
  let members = known.get(instance);
  if (members === undefined) {
    members = { methods: new Map(), signals: new Map(), properties: new Map(), emit: undefined };
    known.set(instance, members);
  }
  return members;
}

/** Any function that may be decorated as a method. */
export type AnyMethod = (this: never, ...args: never[]) => unknown;

/** A method of the interface, with the signatures of its arguments and of what it returns. */
export function method(
  inputs = '',
  outputs = '',
  more: Omit<MethodDescription, 'in' | 'out'> = {},
) {
  return <F extends AnyMethod>(target: F, context: ClassMethodDecoratorContext): F => {
    context.addInitializer(function note(this: unknown) {
      const description = { in: inputs, out: outputs, ...more };
      membersOf(this).methods.set(String(context.name), description);
    });
    return target;
  };
}

/** A signal: calling the method sends it, to all subscribers. */
export function signal(
  args?: string,
  more?: Omit<SignalDescription, 'args'>,
): <F extends AnyMethod>(target: F, context: ClassMethodDecoratorContext) => F;
export function signal(args = '', more: Omit<SignalDescription, 'args'> = {}) {
  return (_target: AnyMethod, context: ClassMethodDecoratorContext): AnyMethod => {
    const name = String(context.name);
    context.addInitializer(function note(this: unknown) {
      membersOf(this).signals.set(name, { args, ...more });
    });
    return function send(this: unknown, ...values: unknown[]): void {
      membersOf(this).emit?.(name, values);
    };
  };
}

/** What may be decorated as a property: an accessor, a getter or a field. */
export type PropertyContext =
  | ClassAccessorDecoratorContext
  | ClassGetterDecoratorContext
  | ClassFieldDecoratorContext;

/** A property of one complete type: an accessor, a field, or a getter (with its setter, if it can be set). */
export function property(
  type: string,
  access: PropertyAccess = 'readwrite',
  more: Omit<PropertyDescription, 'type' | 'access'> = {},
) {
  return (_target: unknown, context: PropertyContext): void => {
    context.addInitializer(function note(this: unknown) {
      membersOf(this).properties.set(String(context.name), { type, access, ...more });
    });
  };
}

/**
 * What `serve` and `export` take, made of an object whose class has decorators. Its signals reach subscribers once
 * `attach` has been called with the result of `serve`, which `serveClass` does.
 *
 * @throws TypeError for an object whose class has no such decorators
 */
export function serviceOf(name: string, instance: object): ServedInterface {
  const members = known.get(instance);
  if (members === undefined) {
    throw new TypeError(`${name}: the class ${instance.constructor.name} has no decorated members`);
  }
  const methods = Object.fromEntries(
    Array.from(members.methods.keys(), (each) => [
      each,
      (...args: unknown[]) => callMethod(instance, each, args),
    ]),
  );
  const properties = Object.fromEntries(
    Array.from(members.properties.keys(), (each) => [
      each,
      {
        get: (): unknown => Reflect.get(instance, each),
        set: (value: unknown): void => setProperty(instance, each, value),
      },
    ]),
  );
  return ServedInterface.of(describe(name, members), { methods, properties });
}

/** Calls what the member is at this moment: a program may have replaced it. */
function callMethod(instance: object, name: string, args: readonly unknown[]): unknown {
  const method: unknown = Reflect.get(instance, name);
  if (typeof method !== 'function') throw new TypeError(`${name} is not a function`);
  return Reflect.apply(method, instance, args);
}

function setProperty(instance: object, name: string, value: unknown): void {
  if (!Reflect.set(instance, name, value)) throw new TypeError(`${name} cannot be set`);
}

/** Sends the signals of an object from the place at which it is served. */
export function attachSignals(name: string, instance: object, served: ServedObject): void {
  const members = membersOf(instance);
  const emitter = served.emitter(describe(name, members));
  members.emit = (member, args) => emitter[member]?.(...args);
}

function describe(name: string, { methods, signals, properties }: Members): InterfaceDescription {
  return {
    name,
    methods: Object.fromEntries(methods),
    signals: Object.fromEntries(signals),
    properties: Object.fromEntries(properties),
  };
}

import { signatureTypes } from '#bridge/wire/signature.js';
import type { Call } from './incoming-call.js';
import {
  memberNamed,
  type Implementation,
  type InterfaceDescription,
  type PropertyDescription,
} from './interface-description.js';

/**
 * A handler of a method: its arguments, then what is known about the call. Handlers take what their descriptions say,
 * and get nothing else: the signature of each call is compared. A method, so that those fit.
 */
interface HandlerOf {
  handle(...argumentsAndCall: unknown[]): unknown;
}
type Handler = HandlerOf['handle'];

export interface ServedProperty extends PropertyDescription {
  readonly get: ((call?: Call) => unknown) | undefined;
  readonly set: ((value: unknown, call: Call) => unknown) | undefined;
}

/** A method of an interface, together with its handler. */
export class ServedMethod {
  readonly in: string;
  readonly out: string;
  private readonly outCount: number;
  private readonly handler: Handler;

  constructor(signatureIn: string, signatureOut: string, handler: Handler) {
    signatureTypes(signatureIn);
    this.in = signatureIn;
    this.out = signatureOut;
    this.outCount = signatureTypes(signatureOut).length;
    this.handler = handler;
  }

  // hot
  run(body: readonly unknown[], call: Call): unknown {
    const { handler } = this;
    switch (body.length) {
      case 0:
        return handler(call);
      case 1:
        return handler(body[0], call);
      default:
        return handler(...body, call);
    }
  }

  /**
   * What a handler has returned, as the values of a reply. Where there are several, its type says that it returns an
   * array; what else a program returns nevertheless is refused when the reply is marshalled.
   */
  values(result: unknown): readonly unknown[];
  // hot
  values(result: readonly unknown[]): readonly unknown[] {
    if (this.outCount === 0) return NOTHING;
    return this.outCount === 1 ? [result] : result;
  }
}

const NOTHING: readonly unknown[] = [];

/** An interface with its implementation: made by `implement`, given to `serve` and `export`. */
export class ServedInterface {
  readonly description: InterfaceDescription;
  /** @internal */
  readonly methods = new Map<string, ServedMethod>();
  /** @internal */
  readonly properties = new Map<string, ServedProperty>();

  /** @internal @throws TypeError when something described is not implemented, WireError for a bad signature */
  static of(description: InterfaceDescription, loose: LooseImplementation): ServedInterface {
    return new ServedInterface(description, loose);
  }

  private constructor(
    description: InterfaceDescription,
    { methods, properties = {} }: LooseImplementation,
  ) {
    this.description = description;
    const missing = (what: string): never => {
      throw new TypeError(`${description.name}: ${what} is described, but not implemented`);
    };
    for (const [name, method] of Object.entries(description.methods)) {
      const handler = memberNamed(methods, name) ?? missing(`method ${name}`);
      this.methods.set(name, new ServedMethod(method.in, method.out, handler.bind(methods)));
    }
    for (const [name, property] of Object.entries(description.properties)) {
      const accessors = memberNamed(properties, name) ?? missing(`property ${name}`);
      const get = property.access === 'write' ? undefined : accessors.get?.bind(accessors);
      const set = property.access === 'read' ? undefined : accessors.set?.bind(accessors);
      if (get === undefined && property.access !== 'write') missing(`get() of property ${name}`);
      if (set === undefined && property.access !== 'read') missing(`set() of property ${name}`);
      this.properties.set(name, { ...property, get, set });
    }
  }

  get name(): string {
    return this.description.name;
  }
}

interface LooseImplementation {
  readonly methods: Readonly<Record<string, Handler>>;
  readonly properties?: Readonly<Record<string, LooseProperty>>;
}

interface LooseProperty {
  get?(call?: Call): unknown;
  set?(value: unknown, call: Call): unknown;
}

/**
 * An interface with its implementation. Handlers get the arguments and, behind them, the `Call`; they return the value
 * (several: an array), or a promise of it, and throw a `DBusError` for an error reply. Descriptors among the arguments
 * are the handler's to close.
 *
 * @throws TypeError when something that is described is not implemented
 */
export function implement<D extends InterfaceDescription>(
  description: D,
  implementation: Implementation<D, Call>,
): ServedInterface;
export function implement(
  description: InterfaceDescription,
  implementation: Implementation<InterfaceDescription, Call>,
): ServedInterface {
  return ServedInterface.of(description, implementation);
}

/** One interface, or several. */
export type ServedInterfaces = ServedInterface | readonly ServedInterface[];

export function listOf(interfaces: ServedInterfaces): readonly ServedInterface[] {
  return interfaces instanceof ServedInterface ? [interfaces] : interfaces;
}

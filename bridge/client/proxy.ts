import { signatureTypes } from '#bridge/wire/signature.js';
import { Variant } from '#bridge/wire/types.js';
import { valuesIn, returned, type MethodCall, type Reply } from './method-call.js';
import type {
  CallOptions,
  InterfaceDescription,
  Proxy,
  ReadableProxy,
  SignalStream,
  WritableProxy,
} from './interface-description.js';
import { PROPERTIES } from './object-interfaces.js';
import { WatchedProperties, type PropertySource } from './watched-properties.js';

/** How a proxy reaches its object. */
export interface ProxyTarget {
  /** resolves with what `convert` makes of the reply, as soon as that is there */
  call<T>(call: MethodCall, convert: (reply: Reply) => T): Promise<T>;
  /** the bodies of the signals of the object with this interface and member */
  signals(rule: {
    readonly interface: string;
    readonly member: string;
    readonly args?: Readonly<Record<number, string>>;
  }): SignalStream<readonly unknown[]>;
}

type PropertyProxy = ReadableProxy<unknown> & WritableProxy<unknown>;

/** A class, because its instances are created faster than object literals. */
class ProxyCall implements MethodCall {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature: string;
  readonly body: readonly unknown[];
  readonly noReply: boolean;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;

  constructor(
    path: string,
    iface: string,
    member: string,
    signature: string,
    body: readonly unknown[],
    noReply: boolean,
    options: CallOptions | undefined,
  ) {
    this.path = path;
    this.interface = iface;
    this.member = member;
    this.signature = signature;
    this.body = body;
    this.noReply = noReply;
    this.timeoutMs = options?.timeoutMs;
    this.signal = options?.signal;
  }
}

/**
 * The object at `path` by one of its interfaces, with the methods, properties and signals of `description`. What types
 * they have, only its type parameters say: they are made by name, from what it describes.
 */
export function openProxy<D extends InterfaceDescription>(
  description: D,
  path: string,
  target: ProxyTarget,
): Proxy<D>;
export function openProxy(
  description: InterfaceDescription,
  path: string,
  target: ProxyTarget,
): Proxy<InterfaceDescription> {
  const { name: iface } = description;
  const methods: Record<string, (...args: unknown[]) => Promise<unknown>> = {};
  for (const [member, { in: signature, noReply = false }] of Object.entries(description.methods)) {
    const count = signatureTypes(signature).length;
    methods[member] = (...args: unknown[]) => {
      const options = args.length > count ? optionsIn(args[count]) : undefined;
      const body = args.length > count ? args.slice(0, count) : args;
      const call = new ProxyCall(path, iface, member, signature, body, noReply, options);
      return target.call(call, returned);
    };
  }
  const properties: Record<string, PropertyProxy> = {};
  for (const [name, { type }] of Object.entries(description.properties)) {
    properties[name] = propertyProxy(path, iface, name, type, target);
  }
  const signals: Record<string, SignalStream<unknown[]>> = {};
  for (const member of Object.keys(description.signals)) {
    Object.defineProperty(signals, member, {
      enumerable: true,
      get: () => target.signals({ interface: iface, member }),
    });
  }
  const ask = <T>(
    member: string,
    args: readonly string[],
    options: CallOptions | undefined,
    convert: (reply: Reply) => T,
  ): Promise<T> => {
    const signature = 's'.repeat(args.length);
    const call = new ProxyCall(path, PROPERTIES, member, signature, args, false, options);
    return target.call(call, convert);
  };
  const getAll = (options?: CallOptions): Promise<Map<string, unknown>> =>
    ask('GetAll', [iface], options, (reply) => valuesOf(valuesIn(reply, 'a{sv}')[0]));
  const source: PropertySource = {
    getAll,
    get: (name) => ask('Get', [iface, name], undefined, (reply) => valuesIn(reply, 'v')[0].value),
    changed: () =>
      target.signals({ interface: PROPERTIES, member: 'PropertiesChanged', args: { 0: iface } }),
  };
  const watch = (options?: CallOptions): Promise<WatchedProperties> =>
    WatchedProperties.open(source, iface, options);
  return { methods, properties, signals, getAll, watch };
}

/** The options behind the arguments, if there are any. */
function optionsIn(value: unknown): CallOptions | undefined {
  return typeof value === 'object' && value !== null ? value : undefined;
}

function valuesOf(variants: ReadonlyMap<string, Variant>): Map<string, unknown> {
  return new Map(Array.from(variants, ([name, { value }]) => [name, value]));
}

function propertyProxy(
  path: string,
  iface: string,
  name: string,
  type: string,
  target: ProxyTarget,
): PropertyProxy {
  const call = <T>(
    options: CallOptions | undefined,
    member: string,
    signature: string,
    body: readonly unknown[],
    convert: (reply: Reply) => T,
  ): Promise<T> =>
    target.call(new ProxyCall(path, PROPERTIES, member, signature, body, false, options), convert);
  return {
    get: (options?: CallOptions) =>
      call(options, 'Get', 'ss', [iface, name], (reply) => valuesIn(reply, 'v')[0].value),
    set: (value: unknown, options?: CallOptions) =>
      call(options, 'Set', 'ssv', [iface, name, new Variant(type, value)], () => {}),
  };
}

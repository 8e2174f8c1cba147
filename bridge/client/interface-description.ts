import type { Observable } from 'rxjs';
import type { Capability } from './capability.js';
import type { WatchedProperties } from './watched-properties.js';

/*
 * A D-Bus interface as a value that is there at run time, and as types that are there at compile
 * time. `bus1-bridge generate` writes both; functions that call or serve an interface take them together.
 *
 * D-Bus types are the JavaScript types that bus1-bridge marshals and unmarshals:
 *
 *   y n q i u d  number            h  FileDescriptor       ay        Uint8Array
 *   x t          bigint            o  ObjectReference      aT        array of T
 *   b            boolean           v  Variant              a{KV}     Map of K to V
 *   s g          string                                    (T1T2…)   tuple [T1, T2, …]
 */

/** An object, by its path, or by a capability to it. */
export type ObjectReference = string | Capability;

/** An open file descriptor. */
export type FileDescriptor = number;

/** What introspection data contain beside names and types. */
export interface Described {
  /** for people; in introspection data the annotation `org.gtk.GDBus.DocString` */
  readonly doc?: string;
  /** by name, such as `org.freedesktop.DBus.Deprecated` */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface MethodDescription extends Described {
  /** Signature of all arguments together, empty without any. */
  readonly in: string;
  /** The types of what is returned, likewise. */
  readonly out: string;
  /** Names of the arguments, and of what is returned, in their order; '' for one without. */
  readonly inNames?: readonly string[];
  readonly outNames?: readonly string[];
  /** `org.freedesktop.DBus.Method.NoReply`: a call asks for no reply, and ends when it is sent. */
  readonly noReply?: true;
}

export interface SignalDescription extends Described {
  /** Signature of all arguments together, empty without any. */
  readonly args: string;
  readonly argNames?: readonly string[];
}

export type PropertyAccess = 'read' | 'write' | 'readwrite';

export interface PropertyDescription extends Described {
  /** One complete type. */
  readonly type: string;
  readonly access: PropertyAccess;
  /**
   * `org.freedesktop.DBus.Property.EmitsChangedSignal`, where it is not `true`: PropertiesChanged says
   * only that the value has changed (`invalidates`), or is not sent, as the value may change any time
   * (`false`) or never changes (`const`).
   */
  readonly emitsChanged?: 'invalidates' | 'const' | 'false';
}

declare const types: unique symbol;

/**
 * A D-Bus interface. The type parameters exist at compile time only:
 *
 * - `Methods`: for each method a function type, `(name: string) => number`. The result is void for no
 *   value, the value for one, and a tuple for more;
 * - `Signals`: for each signal the tuple of its arguments;
 * - `Properties`: for each property {@link ReadOnly}, {@link WriteOnly} or {@link ReadWrite} of its type.
 *
 * `unknown`, for each of them, stands for members that are known at run time only. Names that come from
 * elsewhere must be looked up by {@link memberNamed}.
 */
export interface InterfaceDescription<
  Methods = unknown,
  Signals = unknown,
  Properties = unknown,
> extends Described {
  readonly name: string;
  readonly methods: Readonly<Record<string, MethodDescription>>;
  readonly signals: Readonly<Record<string, SignalDescription>>;
  readonly properties: Readonly<Record<string, PropertyDescription>>;
  /** Never present at run time. */
  readonly [types]?: readonly [Methods, Signals, Properties];
}

/** For `Methods`, `Signals` or `Properties` of an interface that has none. */
export type NoMembers = object;

/** What is described under this name; undefined when nothing is, as for 'constructor'. */
export function memberNamed<T>(members: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

/** In `Properties`: a property that can be read. */
export interface ReadOnly<T> {
  readonly read: T;
}

/** In `Properties`: a property that can be written. */
export interface WriteOnly<T> {
  readonly write: T;
}

/** In `Properties`: a property that can be read and written. */
export interface ReadWrite<T> extends ReadOnly<T>, WriteOnly<T> {}

export type MethodsOf<D> = D extends InterfaceDescription<infer M, infer _S, infer _P> ? M : never;
export type SignalsOf<D> = D extends InterfaceDescription<infer _M, infer S, infer _P> ? S : never;
export type PropertiesOf<D> =
  D extends InterfaceDescription<infer _M, infer _S, infer P> ? P : never;

/** Options of one call. */
export interface CallOptions {
  /** Aborting it ends the call: the promise is rejected, and a reply that still comes is dropped. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call counts as failed. */
  readonly timeoutMs?: number | undefined;
}

/** The signals of one name, from the moment of subscribing or iterating on. */
export type SignalStream<Args> = Observable<Args> &
  AsyncIterable<Args> & {
    /** Resolves when all present subscribers get every signal that is sent from now on. */
    ready(): Promise<void>;
    /** Subscribes for an iterator, and resolves with it when no signal is lost any more. */
    open(): Promise<AsyncIterableIterator<Args, undefined>>;
  };

/**
 * A remote object by one of its interfaces. Methods are called with their arguments and, if wanted, the options
 * behind them.
 */
export interface Proxy<D extends InterfaceDescription, Options = CallOptions> {
  readonly methods: ProxyMethods<MethodsOf<D>, Options>;
  readonly properties: ProxyProperties<PropertiesOf<D>, Options>;
  readonly signals: ProxySignals<SignalsOf<D>>;
  /** The values of all properties that can be read, by name. */
  getAll(options?: Options): Promise<Map<string, unknown>>;
  /** The properties as a cache that follows PropertiesChanged. */
  watch(options?: Options): Promise<WatchedProperties>;
}

export type ProxyMethods<Methods, Options> = unknown extends Methods
  ? Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>
  : { readonly [Name in keyof Methods]: ProxyMethod<Methods[Name], Options> };

export type ProxyMethod<Method, Options> = Method extends (...args: infer Args) => infer Result
  ? (...args: [...Args, options?: Options]) => Promise<Result>
  : never;

export type ProxyProperties<Properties, Options> = unknown extends Properties
  ? Readonly<Record<string, ReadableProxy<unknown, Options> & WritableProxy<unknown, Options>>>
  : {
      readonly [Name in keyof Properties]: ByAccess<
        Properties[Name],
        ReadableProxy<ReadType<Properties[Name]>, Options>,
        WritableProxy<WriteType<Properties[Name]>, Options>
      >;
    };

export interface ReadableProxy<T, Options = CallOptions> {
  get(options?: Options): Promise<T>;
}

export interface WritableProxy<T, Options = CallOptions> {
  set(value: T, options?: Options): Promise<void>;
}

export type ProxySignals<Signals> = unknown extends Signals
  ? Readonly<Record<string, SignalStream<unknown[]>>>
  : { readonly [Name in keyof Signals]: SignalStream<Signals[Name]> };

/**
 * What a service provides for one interface. Methods get the arguments and, behind them, what is known
 * about the call. `properties` may be left out where the interface has none.
 */
export type Implementation<D extends InterfaceDescription, Context = unknown> = {
  readonly methods: ImplementedMethods<MethodsOf<D>, Context>;
} & (keyof PropertiesOf<D> extends never
  ? { readonly properties?: ImplementedProperties<PropertiesOf<D>, Context> }
  : { readonly properties: ImplementedProperties<PropertiesOf<D>, Context> });

export type ImplementedMethods<Methods, Context> = unknown extends Methods
  ? Readonly<Record<string, (...args: never[]) => unknown>>
  : { readonly [Name in keyof Methods]: ImplementedMethod<Methods[Name], Context> };

export type ImplementedMethod<Method, Context> = Method extends (
  ...args: infer Args
) => infer Result
  ? (...args: [...Args, context: Context]) => Result | Promise<Result>
  : never;

export type ImplementedProperties<Properties, Context = unknown> = unknown extends Properties
  ? Readonly<
      Record<string, Partial<ReadableProperty<unknown, Context> & WritableProperty<never, Context>>>
    >
  : {
      readonly [Name in keyof Properties]: ByAccess<
        Properties[Name],
        ReadableProperty<ReadType<Properties[Name]>, Context>,
        WritableProperty<WriteType<Properties[Name]>, Context>
      >;
    };

export interface ReadableProperty<T, Context = unknown> {
  /** `context` is given when a caller asks, not when the value is read for PropertiesChanged. */
  get(context?: Context): T | Promise<T>;
}

export interface WritableProperty<T, Context = unknown> {
  set(value: T, context: Context): void | Promise<void>;
}

/** Sends the signals of one interface of an object of one's own. */
export type Emitter<D extends InterfaceDescription> =
  unknown extends SignalsOf<D>
    ? Readonly<Record<string, (...args: unknown[]) => void>>
    : { readonly [Name in keyof SignalsOf<D>]: EmitterOf<SignalsOf<D>[Name]> };

export type EmitterOf<Args> = Args extends readonly unknown[] ? (...args: Args) => void : never;

export type ReadType<Property> = Property extends ReadOnly<infer T> ? T : never;
export type WriteType<Property> = Property extends WriteOnly<infer T> ? T : never;
export type ByAccess<Property, Readable, Writable> =
  Property extends ReadWrite<unknown>
    ? Readable & Writable
    : Property extends ReadOnly<unknown>
      ? Readable
      : Writable;

import type { Handle } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { DecodedMessage } from '#bridge/wire/message.js';

import type { Values } from '#bridge/wire/typed-body.js';

import type { Driver } from './driver.js';

/** One method call to the driver. */
export interface Call<Args = readonly unknown[]> {
  readonly driver: Driver;
  readonly connection: Connection;
  readonly message: DecodedMessage;
  /** decoded to JavaScript by the method's input signature */
  readonly args: Args;
  /** the handle to a fresh node of the caller's, which comes with RequestName and BecomeMonitor */
  readonly attached: Handle | undefined;
  /** keeps `attached` from being released after the call */
  keepAttached(): void;
  /** came with the call, and are closed when the method returns: to keep one, duplicate it */
  readonly descriptors: readonly number[];
  /** sends a descriptor with the reply, and returns its index there; undefined when the caller accepts none */
  attachDescriptor(fd: number): number | undefined;
  /** answers later: the method then returns `LATER` */
  readonly reply: (body: readonly unknown[]) => void;
  readonly fail: (error: unknown) => void;
  /** runs when the reply has been sent */
  afterReply(action: () => void): void;
}

/** A call with arguments of this signature. */
export type CallWith<In extends string> = Call<Values<In>>;

/** Returned by a method that calls `reply` or `fail` later. */
export const LATER = Symbol('later');

export interface Argument<Type extends string = string> {
  readonly name: string;
  readonly type: Type;
}

export interface Method {
  readonly name: string;
  readonly in: readonly Argument[];
  readonly out: readonly Argument[];
  /** only for root and the user that the bus runs as */
  readonly privileged?: boolean;
  /** its first argument is the name of a connection, which may have to be looked up on the other bus */
  readonly isAboutName?: boolean;
  /** the reference daemon answers most methods at any object path, and some at its own only */
  readonly canonicalPath?: boolean;
  run(call: Call): readonly unknown[] | typeof LATER;
}

/** The types of the arguments, one after the other. */
type SignatureOf<Args extends readonly Argument[]> = Args extends readonly [
  Argument<infer Type>,
  ...infer Rest extends readonly Argument[],
]
  ? `${Type}${SignatureOf<Rest>}`
  : '';

/** A method whose `run` gets the arguments that `in` describes: `dispatch` refuses calls with other ones. */
export function method<const In extends readonly Argument[]>(
  described: Omit<Method, 'in' | 'run'> & {
    readonly in: In;
    run(call: CallWith<SignatureOf<In>>): ReturnType<Method['run']>;
  },
): Method {
  return described;
}

export interface Signal {
  readonly name: string;
  readonly args: readonly Argument[];
}

export interface Property {
  readonly name: string;
  readonly type: string;
  get(driver: Driver): unknown;
}

/** One interface of the driver: a table, from which calls are dispatched and introspection data is made. */
export interface DriverInterface {
  readonly name: string;
  readonly methods: readonly Method[];
  readonly signals?: readonly Signal[];
  readonly properties?: readonly Property[];
  /** exists only at the bus's own object path, as in the reference daemon */
  readonly canonicalPath?: boolean;
  /** listed in the property Interfaces, as an optional one (D-Bus specification, "Message Bus Properties") */
  readonly isAdvertised?: boolean;
}

export function arg<Type extends string>(name: string, type: Type): Argument<Type> {
  return { name, type };
}

export function signatureOf(args: readonly Argument[]): string {
  return args.map(({ type }) => type).join('');
}

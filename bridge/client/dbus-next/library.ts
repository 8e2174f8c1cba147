import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Message, MessageBus } from 'dbus-next';

/** A message as dbus-next has it: an instance of its class `Message`, or an object of this shape. */
export interface BusMessage {
  readonly type: number;
  readonly serial: number | null;
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly errorName?: string | undefined;
  readonly replySerial?: number | undefined;
  readonly destination?: string | undefined;
  readonly sender?: string | undefined;
  readonly signature?: string | undefined;
  readonly body?: readonly unknown[] | undefined;
  readonly flags?: number | undefined;
}

/** What dbus-next's MessageBus needs of a connection. It listens for `message` and `error`. */
export interface BusConnection extends EventEmitter {
  readonly stream: { readonly writable: boolean; end(): void };
  /** @throws Error for a message that cannot be sent */
  message(message: BusMessage): void;
}

/** A value with its type, as dbus-next has it. */
export interface BusVariant {
  readonly signature: string;
  readonly value: unknown;
}

/** The part of dbus-next's MessageBus that its own classes use, too. */
interface InternalBus extends MessageBus {
  /** without its reference counts: asks the bus each time */
  _addMatch(rule: string): Promise<unknown>;
  _removeMatch(rule: string): Promise<unknown>;
  readonly _connection: BusConnection;
}

interface Library {
  readonly Message: new (fields: BusMessage) => Message;
  readonly Variant: new (signature: string, value: unknown) => BusVariant;
  readonly DBusError: new (type: string, text: string) => Error & { readonly type: string };
}

interface LibraryOptions {
  getBigIntCompat(): boolean;
}

/** Replaces long integers in programs that disable bigint. */
interface Jsbi {
  BigInt(text: string): unknown;
}

// Its modules below lib/ have no types, and it is CommonJS: only `require` gives the same classes to everyone.
const require = createRequire(import.meta.url);

export const library: Library = require('dbus-next');
export const LibraryBus: new (
  connection: BusConnection,
) => InternalBus = require('dbus-next/lib/bus.js');

const options: LibraryOptions = require('dbus-next/lib/library-options.js');
let jsbi: Jsbi | undefined;

/** A long integer as programs want it: see dbus-next's `setBigIntCompat`. */
export function longInteger(value: bigint): unknown {
  if (!options.getBigIntCompat()) return value;
  jsbi ??= loadJsbi();
  return jsbi.BigInt(String(value));
}

function loadJsbi(): Jsbi {
  return createRequire(require.resolve('dbus-next'))('jsbi');
}

import { createRequire } from 'node:module';

/* All that dbus-next exports, with connections and decorators replaced. The names are listed for bundlers. */
export * from 'dbus-next';
export {
  DBusError,
  Message,
  MessageFlag,
  MessageType,
  NameFlag,
  RequestNameReply,
  setBigIntCompat,
  Variant,
} from 'dbus-next';
export { decorated as interface } from './decorators.js';
export { sessionBus, systemBus, type BusOptions } from './open-bus.js';

/** Its type declarations lack these. */
const untyped: {
  readonly ReleaseNameReply: Readonly<Record<string, number>>;
  readonly validators: Readonly<Record<string, (name: string) => boolean | void>>;
} = createRequire(import.meta.url)('dbus-next');
export const { ReleaseNameReply, validators } = untyped;

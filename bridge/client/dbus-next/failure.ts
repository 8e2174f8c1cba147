import { DRIVER_NAME } from '#bridge/client/driver-client.js';
import { ClientError, DBusError, ErrorName, type ClientErrorCode } from '#bridge/client/errors.js';
import { ErrorText } from '#bridge/wire/standard-errors.js';
import { MessageFlag, MessageType, wantsReply } from '#bridge/wire/types.js';
import { library, type BusMessage } from './library.js';

/** The D-Bus error names for failures of the native API. */
const ERROR_NAMES: Partial<Record<ClientErrorCode, string>> = {
  JoinFailed: ErrorName.NoServer,
  BusClosed: ErrorName.Disconnected,
  Disconnected: ErrorName.Disconnected,
  CapabilityLost: ErrorName.NoReply,
  OverQuota: ErrorName.LimitsExceeded,
  NoDescriptors: ErrorName.NotSupported,
};

/** An error as programs that use dbus-next know it: with a `type`. */
export function busError(error: unknown): Error {
  if (error instanceof DBusError) return new library.DBusError(error.name, error.message);
  if (!(error instanceof ClientError))
    return error instanceof Error ? error : new Error(String(error));
  return new library.DBusError(ERROR_NAMES[error.code] ?? ErrorName.Failed, error.message);
}

/**
 * The error reply that a bus would send for a failed call. Programs compare these texts, which therefore are
 * dbus-daemon's (`bus/dispatch.c`, `bus/activation.c`, `bus/connection.c`).
 */
export function errorAnswer(call: BusMessage, error: unknown): BusMessage {
  const known = busError(error);
  const type = known instanceof library.DBusError ? known.type : ErrorName.Failed;
  const [errorName, text] = inWordsOfTheBus(call, type, known.message);
  return {
    type: MessageType.Error,
    serial: null,
    errorName,
    replySerial: call.serial!,
    sender: DRIVER_NAME,
    signature: 's',
    body: [text],
  };
}

function inWordsOfTheBus(call: BusMessage, type: string, text: string): [string, string] {
  const { destination, flags = 0 } = call;
  if (type === ErrorName.ServiceUnknown) {
    if ((flags & MessageFlag.NoAutoStart) === 0)
      return [type, ErrorText.serviceUnknown(String(destination))];
    return [ErrorName.NameHasNoOwner, ErrorText.nameHasNoOwner(String(destination))];
  }
  if (type !== ErrorName.NoReply) return [type, text];
  return [type, ErrorText.noReply];
}

export function expectsAnswer({ type, flags = 0 }: BusMessage): boolean {
  return wantsReply({ type, flags });
}
